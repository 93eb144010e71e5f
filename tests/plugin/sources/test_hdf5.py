import os

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.plugin.sources import hdf5
from specklenn.plugin.sources.hdf5 import (
    MOST_OPEN,
    DatasetNames,
    Hdf5Source,
    OpenFiles,
)


def open_files():
    """Return the files that this process has open."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if os.path.lexists(link)]


@pytest.fixture
def run(tmp_path, draw_shots):
    """Three files of 10, 1 and 7 shots."""
    frames, names = draw_shots(18)
    times = np.arange(18, dtype=np.uint64) + 5
    paths = []
    for part, (start, stop) in enumerate([(0, 10), (10, 11), (11, 18)]):
        paths.append(tmp_path / f"{part}.cxi")
        write_dataset(
            paths[-1],
            frames[start:stop],
            names[start:stop],
            timestamps_ns=times[start:stop],
        )
    return paths, frames, names


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 18), (9, 12), (10, 11), (0, 0), (17, 18)]
)
def test_any_range_is_read_across_files(run, start, stop):
    paths, frames, names = run

    shots = Hdf5Source(paths).read(start, stop)

    np.testing.assert_array_equal(shots.frames, frames[start:stop])
    assert shots.truth.tolist() == names[start:stop].tolist()
    assert shots.timestamp_ns.tolist() == list(range(start + 5, stop + 5))
    assert shots.index.tolist() == list(range(start, stop))
    assert not shots.flags.any()


def test_a_part_of_the_run_keeps_its_shot_numbers(run):
    source = Hdf5Source(run[0], first=9, last=14)

    assert (source.first, len(source)) == (9, 5)
    assert source.read(10, 12).index.tolist() == [10, 11]
    np.testing.assert_array_equal(source.read(10, 12).frames, run[1][10:12])


def test_a_file_of_another_shape_in_the_middle_is_flagged_shot_by_shot(run):
    paths, frames, _ = run
    write_dataset(paths[1], np.ones((1, 30, 30), np.uint16), ["single-hit"])

    shots = Hdf5Source(paths).read(8, 14)

    assert shots.flags.tolist() == [0, 0, Flag.WRONG_SHAPE, 0, 0, 0]
    np.testing.assert_array_equal(shots.frames[3:], frames[11:14])


def test_a_damaged_chunk_costs_its_own_shot_only(run):
    paths, frames, _ = run
    with h5py.File(paths[0]) as file:
        chunk = file[labelled_dataset.DATA].id.get_chunk_info(4)
    content = bytearray(paths[0].read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    paths[0].write_bytes(content)

    shots = Hdf5Source(paths).read(2, 7)

    assert shots.flags.tolist() == [0, 0, Flag.UNREADABLE, 0, 0]
    np.testing.assert_array_equal(shots.frames[3:], frames[5:7])


def test_every_file_that_cannot_be_opened_is_named(run):
    paths = run[0]
    paths[1].write_bytes(paths[1].read_bytes()[:-400])

    with pytest.raises(DataError) as caught:
        Hdf5Source([*paths, paths[0].with_name("missing.cxi")])

    assert "1.cxi: truncated HDF5 file" in str(caught.value)
    assert "missing.cxi: no such file" in str(caught.value)


def test_datasets_may_have_any_name(tmp_path, draw_shots):
    frames, _ = draw_shots(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["/run/frames"] = frames
        file["/run/bad"] = (frames[0] > 3).astype(np.uint8)

    source = Hdf5Source(
        [tmp_path / "a.h5"], DatasetNames(data="/run/frames", mask="/run/bad")
    )

    np.testing.assert_array_equal(source.mask(), frames[0] > 3)
    assert source.read(0, 3).truth.tolist() == ["", "", ""]


def test_a_part_behind_the_end_is_refused(run):
    with pytest.raises(DataError, match="the run has 18"):
        Hdf5Source(run[0], first=18)


def test_datasets_can_be_left_unused(run):
    source = Hdf5Source(run[0], DatasetNames(labels=None, timestamps=None, mask=None))

    shots = source.read(0, 3)

    assert shots.truth.tolist() == ["", "", ""]
    assert not shots.timestamp_ns.any()
    assert source.mask() is None


@pytest.fixture
def modules(tmp_path):
    """Six shots of three modules, a chunk for each; those of module 1 are damaged."""
    path = tmp_path / "modules.cxi"
    frames = np.random.default_rng(0).poisson(3, (6, 3, 10, 20)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            labelled_dataset.DATA,
            data=frames,
            chunks=(1, 1, 10, 20),
            compression="gzip",
        )
        chunks = [data.id.get_chunk_info(number) for number in range(18)]
    content = bytearray(path.read_bytes())
    for chunk in chunks:
        if chunk.chunk_offset[1] == 1:
            first = chunk.byte_offset
            content[first : first + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    return path, frames


def test_modules_that_are_not_needed_are_not_read(modules):
    path, frames = modules
    source = Hdf5Source([path])

    source.read_only(np.array([True, False, True]))

    shots = source.read(1, 5)
    expected = frames[1:5].copy()
    expected[:, 1] = 0
    assert source.modules == 3
    assert not shots.flags.any()
    np.testing.assert_array_equal(shots.frames, expected.reshape(4, 30, 20))


def test_modules_that_are_needed_and_damaged_cost_their_shots(modules):
    source = Hdf5Source([modules[0]])

    source.read_only(np.array([False, True, True]))

    assert (source.read(0, 6).flags == Flag.UNREADABLE).all()


def test_without_a_module_to_read_frames_are_empty(modules):
    source = Hdf5Source([modules[0]])

    source.read_only(np.zeros(3, bool))

    assert not source.read(0, 6).frames.any()


def test_a_file_without_modules_among_others_is_read_whole(modules, tmp_path):
    flat = np.ones((2, 30, 20), np.uint16)
    write_dataset(tmp_path / "flat.cxi", flat, ["single-hit"] * 2)
    source = Hdf5Source([modules[0], tmp_path / "flat.cxi"])

    source.read_only(np.array([True, False, False]))

    np.testing.assert_array_equal(source.read(6, 8).frames, flat)


def test_only_a_file_that_is_being_written_grows(modules, tmp_path):
    with h5py.File(tmp_path / "live.h5", "w", libver="latest") as writer:
        writer[labelled_dataset.DATA] = np.zeros((2, 5, 5))
        writer.swmr_mode = True

        assert Hdf5Source([tmp_path / "live.h5"]).growing
    assert not Hdf5Source([modules[0]]).growing


def test_files_of_several_types_come_in_one_that_holds_them_all(tmp_path):
    whole = np.full((2, 20, 30), 70000, np.uint32)
    parts = np.full((2, 20, 30), 0.5, np.float32)
    for name, frames in (("a.h5", whole), ("b.h5", parts)):
        with h5py.File(tmp_path / name, "w") as file:
            file[labelled_dataset.DATA] = frames

    source = Hdf5Source([tmp_path / "a.h5", tmp_path / "b.h5"])

    for start, stop in ((0, 4), (0, 2), (2, 4)):
        shots = source.read(start, stop)
        expected = np.concatenate([whole, parts])[start:stop]
        np.testing.assert_array_equal(shots.frames, expected)
        assert shots.frames.dtype == source.dtype == np.float64


def test_a_run_of_more_files_than_may_be_open_is_read(tmp_path):
    paths = [tmp_path / f"{number:03d}.h5" for number in range(60)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            file[labelled_dataset.DATA] = np.full((1, 8, 8), number, np.uint8)

    before = len(open_files())
    source = Hdf5Source(paths)
    frames = source.read(0, 60).frames

    assert frames[:, 0, 0].tolist() == list(range(60))
    assert len(open_files()) - before <= MOST_OPEN
    assert source.read(3, 5).frames[:, 0, 0].tolist() == [3, 4]
    source.close()
    assert len(open_files()) == before


def test_a_file_that_goes_during_the_run_costs_its_own_shots(tmp_path, run):
    source = Hdf5Source(run[0])
    source.close()
    run[0][1].unlink()

    shots = source.read(8, 14)

    assert shots.flags.tolist() == [0, 0, Flag.UNREADABLE, 0, 0, 0]


def test_a_problem_of_many_shots_is_logged_once(tmp_path, run, caplog):
    source = Hdf5Source(run[0])
    source.close()
    run[0][2].unlink()

    for start in range(11, 18):
        source.read(start, start + 1)

    assert len(caplog.records) == 1
    assert "2.cxi: no such file or folder" in caplog.text
    assert "2.cxi" in source.problem


def test_shots_of_a_list_come_in_its_order(run, tmp_path):
    paths, frames, names = run
    lines = ["2.cxi //5", "0.cxi //3", "0.cxi //1", "1.cxi"]
    (tmp_path / "hits.lst").write_text("\n".join(lines))

    source = Hdf5Source([tmp_path / "hits.lst"])
    shots = source.read(0, len(source))

    numbers = [16, 3, 1, 10]
    np.testing.assert_array_equal(shots.frames, frames[numbers])
    assert shots.truth.tolist() == names[numbers].tolist()
    assert shots.timestamp_ns.tolist() == [number + 5 for number in numbers]
    assert source.locate(1) == (paths[0], 3)
    assert source.locate(3) == (paths[1], 0)


def test_a_list_may_stand_among_files(run, tmp_path):
    paths, frames, _ = run
    (tmp_path / "hits.lst").write_text("2.cxi //6\n")

    source = Hdf5Source([paths[1], tmp_path / "hits.lst"])

    np.testing.assert_array_equal(source.read(0, 2).frames, frames[[10, 17]])


def test_everything_that_is_wrong_with_a_list_is_said(run, tmp_path):
    (tmp_path / "hits.lst").write_text("0.cxi //99\nno.cxi //1\n")

    with pytest.raises(DataError) as caught:
        Hdf5Source([tmp_path / "hits.lst"])

    assert "events [99] do not exist, the dataset has shots 0 to 9" in str(caught.value)
    assert "no.cxi: no such file" in str(caught.value)


@pytest.fixture
def masked(tmp_path):
    """A run of six shots with a mask for each, and the masks."""
    random = np.random.default_rng(0)
    masks = np.where(random.random((6, 20, 30)) < 0.2, 2, 0).astype(np.uint16)
    masks[:, 0, 0] = 0x4000
    masks[:, 1, 1] = 8
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = random.poisson(3, (6, 20, 30)).astype("u2")
        file[labelled_dataset.MASK] = masks
    return tmp_path / "d.h5", masks


def test_masks_of_every_shot_come_with_their_shots(masked):
    path, masks = masked

    source = Hdf5Source([path])

    expected = (masks[2:5] & (2 | 8)) != 0
    np.testing.assert_array_equal(source.read(2, 5).bad, expected)
    assert source.mask()[1, 1]
    assert not source.mask()[0, 0]


def test_bits_of_a_mask_can_be_chosen(masked):
    path, masks = masked

    source = Hdf5Source([path], DatasetNames(mask_bits="any"))

    np.testing.assert_array_equal(source.read(0, 6).bad, masks != 0)


def test_a_file_with_another_mask_than_the_first_is_masked_by_its_own(tmp_path):
    for name, row in (("a.h5", 3), ("b.h5", 7)):
        mask = np.zeros((20, 30), np.uint8)
        mask[row] = 1
        write_dataset(
            tmp_path / name,
            np.ones((2, 20, 30), np.uint16),
            ["single-hit"] * 2,
            mask=mask != 0,
        )

    shots = Hdf5Source([tmp_path / "a.h5", tmp_path / "b.h5"]).read(1, 3)

    assert [np.flatnonzero(bad.all(axis=1)).tolist() for bad in shots.bad] == [[3], [7]]


def test_without_masks_of_shots_there_is_nothing_to_carry(run):
    assert Hdf5Source(run[0]).read(0, 3).bad is None


@pytest.mark.parametrize("field", ["mask", "labels", "timestamps"])
def test_a_name_that_somebody_wrote_must_exist(run, field):
    with pytest.raises(
        DataError, match=r"no dataset /typing/eror; datasets found: /en"
    ):
        Hdf5Source(run[0], DatasetNames(**{field: "/typing/eror"}))


def test_the_usual_names_need_not_exist(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = np.ones((2, 8, 8))

    assert not Hdf5Source([tmp_path / "d.h5"]).read(0, 2).flags.any()


def test_files_of_large_chunks_are_not_all_kept_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "LARGEST_CACHE", 5 * 2**20)
    frames = np.ones((8, 512, 512), np.uint8)  # 2 MiB in a chunk
    paths = [tmp_path / f"{number}.h5" for number in range(4)]
    for path in paths:
        with h5py.File(path, "w") as file:
            file.create_dataset(
                labelled_dataset.DATA,
                data=frames,
                chunks=frames.shape,
                compression="gzip",
            )
    files = OpenFiles(DatasetNames())

    kept = [files.get(path).cache_bytes for path in paths]

    assert kept == [2 * 2**20] * 4
    assert sum(file.startswith(str(tmp_path)) for file in open_files()) == 2
