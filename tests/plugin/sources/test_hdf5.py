import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.plugin.sources.hdf5 import DatasetNames, Hdf5Source


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
