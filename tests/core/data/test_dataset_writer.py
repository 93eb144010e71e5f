"""Files that grow, are cut short, are left behind by the dead, and go on."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import (
    LIBVER,
    DatasetWriter,
    open_for_writing,
    write_dataset,
)
from specklenn.core.data.frames import as_pictures
from specklenn.core.errors import DataError

VECTOR = "/entry_1/more/vector"
SHAPE = (4, 5)

KILLED_WRITER = """
import os, signal, sys
import numpy as np
from specklenn.core.data.dataset_writer import DatasetWriter

path, kind = sys.argv[1:]
writer = DatasetWriter(path, (4, 5), kind, mask=np.eye(4, 5, dtype=bool))
writer.add_column("/entry_1/more/vector", np.float32, (3,))
writer.file["/entry_1/fixed"] = np.arange(6.0)
writer.file["/entry_1/scalar"] = 7
writer.file.attrs["task"] = "größer"
writer.file.attrs["complete"] = np.bool_(False)
writer.let_others_read()
for index in range(150):
    writer.append(
        np.full((1, 4, 5), index, kind),
        labels=[f"label {index}"],
        names=[f"Größe {index}"],
        timestamps_ns=np.array([2**60 + index], np.uint64),
        others={"/entry_1/more/vector": np.full((1, 3), -index, np.float32)},
    )
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def numbered(first, last):
    """Shots that hold their own number, as `KILLED_WRITER` writes them."""
    numbers = np.arange(first, last)
    return {
        "patterns": np.tile(numbers[:, None, None], (1, *SHAPE)),
        "labels": [f"label {i}" for i in numbers],
        "names": [f"Größe {i}" for i in numbers],
        "timestamps_ns": (2**60 + numbers).astype(np.uint64),
        "others": {VECTOR: np.tile(-numbers[:, None], (1, 3)).astype(np.float32)},
    }


def assert_numbered(path, number):
    """Every dataset of a file holds the shots from 0 to below a number."""
    expected = numbered(0, number)
    found = labelled_dataset.read_dataset(path)
    np.testing.assert_array_equal(found.patterns, expected["patterns"])
    assert found.labels.tolist() == expected["labels"]
    assert found.names.tolist() == expected["names"]
    np.testing.assert_array_equal(found.timestamps_ns, expected["timestamps_ns"])
    with labelled_dataset.open_file(path) as file:
        np.testing.assert_array_equal(file[VECTOR], expected["others"][VECTOR])


@pytest.fixture
def begun(tmp_path):
    """A file with eight numbered shots, closed."""
    path = tmp_path / "d.h5"
    with DatasetWriter(path, SHAPE, np.uint16) as writer:
        writer.add_column(VECTOR, np.float32, (3,))
        writer.append(**numbered(0, 8))
    return path


@pytest.fixture(scope="module", params=["uint16", "float32"])
def left(request, tmp_path_factory):
    """The path and data type of a file of 150 shots whose writer was killed."""
    path = tmp_path_factory.mktemp("left") / "d.h5"
    words = [sys.executable, "-c", KILLED_WRITER, str(path), request.param]
    assert subprocess.run(words).returncode == -9
    return path, np.dtype(request.param)


@pytest.fixture
def found_dead(left, tmp_path):
    """A copy of that file."""
    return shutil.copy(left[0], tmp_path / "d.h5"), left[1]


def test_appending_in_parts_gives_the_same_content_as_in_one_go(tmp_path):
    whole = np.random.default_rng(0).poisson(1, (6, *SHAPE)).astype(np.uint16)
    with DatasetWriter(
        tmp_path / "d.h5", SHAPE, np.uint16, names=False, timestamps=False
    ) as writer:
        for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
            writer.append(whole[part], labels=["a"] * len(whole[part]))

    found = labelled_dataset.read_dataset(tmp_path / "d.h5")
    np.testing.assert_array_equal(found.patterns, whole)
    assert found.names is None


def test_the_layout_is_the_one_of_the_contract(tmp_path):
    write_dataset(
        tmp_path / "d.h5",
        np.zeros((6, *SHAPE), np.uint16),
        labels=["single-hit"] * 6,
        names=["1ABC"] * 6,
        mask=np.eye(*SHAPE, dtype=bool),
        timestamps_ns=np.arange(6, dtype=np.uint64),
    )

    with h5py.File(tmp_path / "d.h5") as file:
        assert file["/entry_1/data_1/data"].shape == (6, *SHAPE)
        assert file["/entry_1/data_1/mask"].dtype == np.uint8
        assert file["/entry_1/result_1/label"].asstr()[0] == "single-hit"
        assert file["/entry_1/sample_1/name"].asstr()[0] == "1ABC"
        assert file["/entry_1/event_1/timestamp_ns"].dtype == np.uint64


def test_an_added_column_grows_with_the_others(begun):
    assert_numbered(begun, 8)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"labels": ["label 0"]},
        {"timestamps_ns": np.zeros(3, np.uint64)},
        {"others": None},
        {"others": {VECTOR: np.zeros((1, 3))}},
    ],
)
def test_a_column_that_lacks_values_is_refused(tmp_path, changes):
    with DatasetWriter(tmp_path / "d.h5", SHAPE) as writer:
        writer.add_column(VECTOR, np.float32, (3,))

        with pytest.raises(ValueError, match=r"/entry_1/.*: 2 values expected"):
            writer.append(**numbered(0, 2) | changes)

    with h5py.File(tmp_path / "d.h5") as file:
        assert len(file[labelled_dataset.DATA]) == len(file[VECTOR]) == 0


@pytest.mark.parametrize("shape", [SHAPE, (2, *SHAPE)])
def test_a_file_that_was_begun_goes_on_behind_its_last_shot(tmp_path, shape):
    whole = np.random.default_rng(0).poisson(1, (5, *shape)).astype(np.uint16)
    write_dataset(tmp_path / "d.h5", whole[:3], labels=["a"] * 3)

    with DatasetWriter.reopen(tmp_path / "d.h5") as writer:
        assert len(writer) == 3
        writer.append(whole[3:], labels=["b"] * 2)

    found = labelled_dataset.read_dataset(tmp_path / "d.h5")
    np.testing.assert_array_equal(found.patterns, as_pictures(whole))
    assert found.labels.tolist() == ["a", "a", "a", "b", "b"]


@pytest.mark.parametrize(
    "ragged", [labelled_dataset.DATA, labelled_dataset.LABEL, VECTOR]
)
def test_what_an_interrupted_append_left_is_dropped_and_written_again(begun, ragged):
    with h5py.File(begun, "r+") as file:
        file[ragged].resize(5, axis=0)

    with DatasetWriter.reopen(begun) as writer:
        assert len(writer) == 5
        writer.append(**numbered(5, 9))

    assert_numbered(begun, 9)


def test_shots_that_are_not_known_to_be_whole_are_dropped(begun):
    with DatasetWriter.reopen(begun, 6) as writer:
        assert len(writer) == 6

    assert_numbered(begun, 6)


def test_shots_known_to_be_whole_but_lost_are_not_made_up(begun):
    with DatasetWriter.reopen(begun, 10) as writer:
        assert len(writer) == 8


def test_a_file_whose_writer_was_killed_is_read_as_far_as_it_goes(found_dead):
    assert_numbered(found_dead[0], 150)


def test_reading_a_file_whose_writer_was_killed_leaves_it_as_it_is(found_dead):
    before = found_dead[0].read_bytes()

    assert_numbered(found_dead[0], 150)

    assert found_dead[0].read_bytes() == before


def test_a_file_whose_writer_was_killed_goes_on(found_dead):
    path, _ = found_dead

    with DatasetWriter.reopen(path) as writer:
        assert len(writer) == 150
        writer.let_others_read()
        writer.append(**numbered(150, 200))

    assert_numbered(path, 200)
    assert os.listdir(path.parent) == ["d.h5"]


def test_a_mended_file_has_everything_that_it_had(found_dead):
    path, dtype = found_dead

    DatasetWriter.reopen(path).close()

    compression = "gzip" if dtype == np.uint16 else None
    with h5py.File(path) as file:
        data = file[labelled_dataset.DATA]
        assert dict(file.attrs) == {
            "creator": "specklenn",
            "task": "größer",
            "complete": False,
        }
        assert file["/entry_1/fixed"][()].tolist() == [0, 1, 2, 3, 4, 5]
        assert file["/entry_1/scalar"][()] == 7
        np.testing.assert_array_equal(file[labelled_dataset.MASK], np.eye(*SHAPE))
        assert file[labelled_dataset.MASK].dtype == np.uint8
        assert (
            file[labelled_dataset.LABEL].dtype
            == file[labelled_dataset.NAME].dtype
            == labelled_dataset.TEXT
        )
        assert file[labelled_dataset.TIMESTAMP].dtype == np.uint64
        assert (data.dtype, data.chunks) == (dtype, (1, *SHAPE))
        assert (data.compression, data.shuffle) == (compression, dtype == np.uint16)
        assert file[VECTOR].maxshape == (None, 3)


def test_a_mended_file_can_be_cut_to_the_shots_known_to_be_whole(found_dead):
    with DatasetWriter.reopen(found_dead[0], 70) as writer:
        assert len(writer) == 70

    assert_numbered(found_dead[0], 70)


@pytest.fixture
def without_rights():
    """Root may write anything, so be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_file_that_may_not_be_written_is_named_with_the_reason(begun, request):
    begun.chmod(0o444)
    request.getfixturevalue("without_rights")

    with pytest.raises(DataError, match=r"d\.h5: cannot be written: permission denied"):
        DatasetWriter.reopen(begun)


def test_a_folder_that_may_not_be_written_is_named_with_the_reason(tmp_path, request):
    tmp_path.chmod(0o555)
    request.getfixturevalue("without_rights")

    with pytest.raises(DataError, match=r"d\.h5: cannot be written: permission denied"):
        DatasetWriter(tmp_path / "d.h5", SHAPE)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no/d\.h5: cannot be written: no such"):
        DatasetWriter(tmp_path / "no" / "d.h5", SHAPE)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"text", "not an HDF5 file")]
)
def test_only_a_file_of_hdf5_can_be_reopened(tmp_path, content, words):
    if content is not None:
        (tmp_path / "d.h5").write_bytes(content)

    with pytest.raises(DataError, match=words):
        DatasetWriter.reopen(tmp_path / "d.h5")


def test_nothing_newer_than_hdf5_1_10_can_get_into_a_file(tmp_path):
    with DatasetWriter(tmp_path / "new.h5", SHAPE, np.uint16) as writer:
        assert writer.file.libver == LIBVER == ("v110", "v110")
    with DatasetWriter.reopen(tmp_path / "new.h5") as writer:
        assert writer.file.libver == LIBVER
    with open_for_writing(tmp_path / "new.h5", "r+") as file:
        assert file.libver == LIBVER
