"""Shots of a virtual dataset whose file is missing are refused, never read as dark."""

import h5py
import numpy as np
import pytest

from specklenn.core.data.labelled_dataset import DATA, MASK, LabelledDataset
from specklenn.core.data.virtual import Range
from specklenn.core.errors import DataError

SHAPE = (8, 9)
PARTS, EACH = 4, 5


@pytest.fixture
def frames():
    return np.random.default_rng(0).poisson(3, (PARTS * EACH, *SHAPE)).astype("u2") + 1


@pytest.fixture
def parts(tmp_path, frames):
    """A run of four files and a virtual dataset of them; returns its path."""
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    for number in range(PARTS):
        chosen = slice(EACH * number, EACH * (number + 1))
        with h5py.File(tmp_path / f"part{number}.h5", "w") as file:
            file["x"] = frames[chosen]
        layout[chosen] = h5py.VirtualSource(f"part{number}.h5", "x", (EACH, *SHAPE))
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_virtual_dataset(DATA, layout, fillvalue=0)
    return tmp_path / "run.h5"


def readable(path):
    """Return which shots can be read."""
    found = []
    with LabelledDataset(path) as file:
        for shot in range(len(file)):
            try:
                file.frames([shot])
            except DataError:
                continue
            found.append(shot)
    return found


def test_with_all_files_every_shot_is_read(parts, frames):
    with LabelledDataset(parts) as file:
        np.testing.assert_array_equal(file.frames(), frames)
        assert file.notes == ()


def make_away(path):
    path.unlink()


def make_text(path):
    path.write_text("no longer a file of HDF5")


def make_short(path):
    with h5py.File(path, "r+") as file:
        values = file["x"][:2]
        del file["x"]
        file["x"] = values


def make_renamed(path):
    with h5py.File(path, "r+") as file:
        file.move("x", "y")


def make_truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (make_away, "part2.h5: no such file or folder"),
        (make_text, "part2.h5: not an HDF5 file"),
        (make_short, "part2.h5:x: shape (2, 8, 9) found, 360 values expected"),
        (make_renamed, "part2.h5: no dataset x; datasets found: /y"),
        (make_truncated, "part2.h5: truncated HDF5 file"),
    ],
)
def test_shots_of_a_file_that_cannot_be_read_are_refused_by_its_name(
    parts, spoil, words
):
    spoil(parts.with_name("part2.h5"))

    with LabelledDataset(parts) as file:
        assert file.notes[0].startswith(f"{file}: 5 of 20 shots cannot be read: ")
        assert words in file.notes[0]
        with pytest.raises(DataError, match=r"run\.h5:.*: shot 10 cannot be read: .*2"):
            file.frames()
    assert readable(parts) == [*range(10), *range(15, 20)]


def test_a_file_that_goes_while_the_run_is_open_is_noticed(parts, frames):
    with LabelledDataset(parts) as file:
        np.testing.assert_array_equal(file.frames([0]), frames[[0]])
        parts.with_name("part3.h5").unlink()

        with pytest.raises(DataError, match=r"shot 16 .*part3\.h5: no such file"):
            file.frames([16])


def test_a_run_without_any_of_its_files_is_refused(parts):
    for number in range(PARTS):
        parts.with_name(f"part{number}.h5").unlink()

    with pytest.raises(
        DataError, match=r"20 of 20 shots cannot be read: .*; and 1 more"
    ):
        LabelledDataset(parts)


def test_shots_that_no_file_is_said_to_hold_are_refused(tmp_path, frames):
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = frames[:7]
    layout[:7] = h5py.VirtualSource(str(tmp_path / "a.h5"), "x", (7, *SHAPE))
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_virtual_dataset(DATA, layout)

    with LabelledDataset(tmp_path / "run.h5") as file:
        assert file.notes[0].endswith(
            "13 of 20 shots cannot be read: no file is said to hold them"
        )
    assert readable(tmp_path / "run.h5") == list(range(7))


def test_files_that_take_turns_lose_their_own_shots_only(tmp_path, frames):
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    for number in range(2):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"] = frames[number::2]
        source = h5py.VirtualSource(f"{number}.h5", "x", (10, *SHAPE))
        layout[number::2] = source
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_virtual_dataset(DATA, layout)
    (tmp_path / "1.h5").unlink()

    assert readable(tmp_path / "run.h5") == list(range(0, 20, 2))


def test_a_virtual_source_of_a_virtual_dataset_is_looked_into(parts, tmp_path, frames):
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    layout[:] = h5py.VirtualSource("run.h5", DATA, frames.shape)
    with h5py.File(tmp_path / "outer.h5", "w") as file:
        file.create_virtual_dataset(DATA, layout)
    parts.with_name("part1.h5").unlink()

    with pytest.raises(DataError, match=r"outer\.h5.*part1\.h5: no such file"):
        LabelledDataset(tmp_path / "outer.h5")


def test_a_missing_module_of_some_shots_costs_those_that_need_it(tmp_path):
    frames = np.random.default_rng(1).poisson(3, (6, 2, *SHAPE)).astype("u2")
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    for name, shots, number in (
        ("a", slice(6), 0),
        ("b", slice(3), 1),
        ("c", slice(3, 6), 1),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = frames[shots, number]
        layout[shots, number] = h5py.VirtualSource(
            f"{name}.h5", "x", frames[shots, number].shape
        )
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_virtual_dataset(DATA, layout)
    (tmp_path / "c.h5").unlink()

    assert readable(tmp_path / "run.h5") == [0, 1, 2]
    with LabelledDataset(tmp_path / "run.h5") as file:
        found = file.frames(modules=[(0, 1)])
    np.testing.assert_array_equal(found[:, : SHAPE[0]], frames[:, 0])


def test_a_mask_whose_file_is_missing_is_refused_not_taken_for_good(parts):
    layout = h5py.VirtualLayout(SHAPE, "u1")
    layout[:] = h5py.VirtualSource("mask.h5", "x", SHAPE)
    with h5py.File(parts, "r+") as file:
        file.create_virtual_dataset(MASK, layout)

    with (
        LabelledDataset(parts) as file,
        pytest.raises(DataError, match=r"mask: cannot be read: .*mask\.h5: no such"),
    ):
        assert file.mask is not None


def test_room_that_was_never_written_is_no_run_of_dark_shots(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset(DATA, (6, *SHAPE), "u2", chunks=(1, *SHAPE))

    with pytest.raises(DataError, match=r"d\.h5:.*no value of it was ever written"):
        LabelledDataset(tmp_path / "d.h5")


def test_a_run_that_was_written_in_part_says_so(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        data = file.create_dataset(DATA, (6, *SHAPE), "u2", chunks=(1, *SHAPE))
        data[:2] = 1

    with LabelledDataset(tmp_path / "d.h5") as file:
        assert file.notes == (f"{file}: 2 of 6 chunks were written, the others are 0",)


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        (Range(start=2, stride=1, count=1, block=3), [2, 3, 4]),
        (Range(start=1, stride=4, count=2, block=2), [1, 2, 5, 6]),
        (Range(start=0, stride=3, count=4, block=1), [0, 3, 6, 9]),
    ],
)
def test_blocks_at_equal_distances_have_their_rows(selected, expected):
    assert np.flatnonzero(selected.has(np.arange(12))).tolist() == expected
