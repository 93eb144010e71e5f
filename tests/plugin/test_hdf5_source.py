import h5py
import numpy as np
import pytest

from specklenn.core import files
from specklenn.core.dataset_writer import write_dataset
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
        chunk = file[files.DATA].id.get_chunk_info(4)
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


def test_labels_that_do_not_match_the_frames_are_refused(run):
    with h5py.File(run[0][0], "r+") as file:
        del file[files.LABEL]
        file[files.LABEL] = ["a", "b"]

    with pytest.raises(DataError, match="2 entries for 10 shots"):
        Hdf5Source(run[0])


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
