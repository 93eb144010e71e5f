import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data import dataset_writer, labelled_dataset
from specklenn.core.data.labelled_dataset import (
    DATA,
    LABEL,
    MASK,
    NAME,
    TIMESTAMP,
    DatasetNames,
    LabelledDataset,
    frames_alone,
)
from specklenn.core.errors import DataError


def frames(number=6):
    return np.random.default_rng(0).poisson(1, (number, 20, 30)).astype(np.uint16)


def write_whole(path):
    dataset_writer.write_dataset(
        path,
        frames(),
        labels=["single-hit"] * 5 + ["großes Teil"],
        names=[f"1ABC-{i}" for i in range(6)],
        mask=frames()[0] > 2,
        timestamps_ns=np.arange(6, dtype=np.uint64) + 2**60,
    )


def test_a_dataset_reads_back_as_it_was_written(tmp_path):
    write_whole(tmp_path / "d.h5")

    found = labelled_dataset.read_dataset(tmp_path / "d.h5")

    np.testing.assert_array_equal(found.patterns, frames())
    np.testing.assert_array_equal(found.mask, frames()[0] > 2)
    np.testing.assert_array_equal(found.timestamps_ns, np.arange(6) + 2**60)
    assert found.labels[5] == "großes Teil"
    assert found.names.tolist() == [f"1ABC-{i}" for i in range(6)]


def test_chosen_rows_are_read_alone(tmp_path):
    write_whole(tmp_path / "d.h5")

    found = labelled_dataset.read_dataset(tmp_path / "d.h5", [1, 4])

    np.testing.assert_array_equal(found.patterns, frames()[[1, 4]])
    assert found.names.tolist() == ["1ABC-1", "1ABC-4"]


def test_modules_are_stacked_from_top_to_bottom(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = frames().reshape(6, 2, 10, 30)
        file[labelled_dataset.MASK] = np.ones((2, 10, 30), np.uint8)

    found = labelled_dataset.read_dataset(tmp_path / "d.h5")

    np.testing.assert_array_equal(found.patterns, frames())
    assert found.mask.shape == (20, 30)


@pytest.mark.parametrize(
    "options",
    [
        hdf5plugin.Bitshuffle(),
        hdf5plugin.LZ4(),
        {"compression": "lzf"},
        {"compression": "gzip", "shuffle": True},
    ],
)
def test_compressed_data_are_read_whatever_the_filter(tmp_path, options):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset(
            labelled_dataset.DATA, data=frames(), chunks=(1, 20, 30), **options
        )

    np.testing.assert_array_equal(
        labelled_dataset.read_dataset(tmp_path / "d.h5").patterns, frames()
    )


@pytest.fixture
def whole(tmp_path):
    write_whole(tmp_path / "d.h5")
    return tmp_path / "d.h5"


def replace(path, name, values):
    """Put other values, or nothing, where a dataset is."""
    with h5py.File(path, "r+") as file:
        del file[name]
        if values is not None:
            file[name] = values


def zero_chunk(path, name, number):
    """Make a chunk of a compressed dataset unreadable."""
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(number)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)


def test_an_open_dataset_says_what_its_frames_are(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[DATA] = frames().reshape(6, 2, 10, 30)

    with LabelledDataset(tmp_path / "d.h5") as opened:
        assert (len(opened), opened.shape, opened.modules) == (6, (20, 30), 2)
        assert opened.dtype == np.uint16
        assert (opened.labels, opened.names, opened.timestamps_ns) == (None,) * 3
        assert opened.mask is None
        assert opened.bad.shape == (20, 30)
        assert not opened.bad.any()


def test_parts_are_read_wherever_they_are_said_to_be(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["/run/frames"] = frames()
        file["/run/bad"] = frames()[0] > 2
        file["/run/labels"] = ["a"] * 6
        file["/run/times"] = np.arange(6)
    names = DatasetNames(
        data="/run/frames",
        mask="/run/bad",
        labels="/run/labels",
        timestamps="/run/times",
    )

    with LabelledDataset(tmp_path / "d.h5", names) as opened:
        np.testing.assert_array_equal(opened.frames(), frames())
        np.testing.assert_array_equal(opened.mask, frames()[0] > 2)
        assert opened.labels.tolist() == ["a"] * 6
        assert opened.timestamps_ns.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (LABEL, ["a", "b"], "2 entries found, 6 expected, one for each frame"),
        (NAME, ["a"] * 7, "7 entries found, 6 expected, one for each frame"),
        (TIMESTAMP, np.arange(5), "5 entries found, 6 expected, one for each frame"),
        (LABEL, [["a"] * 6], r"shape \(1, 6\), \(6,\) expected"),
        (LABEL, "single-hit", r"shape \(\), \(6,\) expected"),
        (LABEL, np.arange(6), "data type int64, strings expected"),
        (TIMESTAMP, ["a"] * 6, "'a' found; Unix times in seconds or nanoseconds, "),
        (TIMESTAMP, h5py.Empty("u8"), r"shape None, \(6,\) expected"),
        (LABEL, h5py.Empty("S8"), r"shape None, \(6,\) expected"),
        (DATA, h5py.Empty("u2"), "holds no values, numbers expected"),
        (LABEL, [b"\xff"] * 6, "UTF-8 expected"),
        (MASK, np.zeros((30, 20), np.uint8), r"mask of shape \(30, 20\), \(20, 30\)"),
        (DATA, np.zeros(5), r"shape \(5,\), expected \(N, H, W\)"),
        (DATA, np.full((2, 2, 2), b"x"), r"data type \|S1, numbers expected"),
    ],
)
def test_a_part_that_does_not_fit_is_refused_by_file_and_name(
    whole, name, values, words
):
    replace(whole, name, values)

    with pytest.raises(DataError, match=rf"d\.h5:{name}: {words}"):
        LabelledDataset(whole)


def test_a_missing_dataset_is_named_with_those_that_there_are(whole):
    replace(whole, DATA, None)

    with pytest.raises(DataError, match=rf"d\.h5: no dataset {DATA}; .* found: {MASK}"):
        LabelledDataset(whole)


def test_a_group_in_the_place_of_labels_is_no_dataset(whole):
    replace(whole, f"{LABEL}", None)
    with h5py.File(whole, "r+") as file:
        file.create_group(LABEL)

    with pytest.raises(DataError, match=rf"d\.h5: no dataset {LABEL}"):
        LabelledDataset(whole)


def test_parts_that_are_not_wanted_may_be_wrong(whole):
    replace(whole, LABEL, ["a"])
    replace(whole, MASK, np.zeros(3))

    with LabelledDataset(whole, frames_alone()) as opened:
        np.testing.assert_array_equal(opened.frames(), frames())


def test_events_are_counted_in_the_file(whole):
    with LabelledDataset(whole) as opened:
        np.testing.assert_array_equal(opened.frames([4, 1]), frames()[[4, 1]])
        with pytest.raises(
            DataError, match=rf"d\.h5:{DATA}: events \[6\] do not exist"
        ):
            opened.frames([0, 6])


def test_damaged_labels_are_refused(whole):
    replace(whole, LABEL, None)
    with h5py.File(whole, "r+") as file:
        file.create_dataset(LABEL, data=[b"a"] * 6, chunks=(6,), compression="gzip")
    zero_chunk(whole, LABEL, 0)

    with pytest.raises(DataError, match=rf"d\.h5:{LABEL}: cannot be read: damaged"):
        LabelledDataset(whole)


@pytest.mark.parametrize(("part", "name"), [("labels", LABEL), ("names", NAME)])
def test_what_is_needed_and_missing_is_named_with_its_purpose(tmp_path, part, name):
    dataset_writer.write_dataset(tmp_path / "d.h5", frames())

    with (
        LabelledDataset(tmp_path / "d.h5") as opened,
        pytest.raises(DataError, match=rf"d\.h5: no .* at {name}; training needs them"),
    ):
        getattr(opened, f"need_{part}")("training")


def test_other_entries_of_the_shots_are_read_or_refused(whole):
    with h5py.File(whole, "r+") as file:
        file["/other/score"] = np.arange(12).reshape(6, 2)
        file["/other/short"] = np.arange(4)

    with LabelledDataset(whole) as opened:
        assert (
            opened.column("/other/score").tolist()
            == np.arange(12).reshape(6, 2).tolist()
        )
        assert opened.column("/other/none") is None
        with pytest.raises(DataError, match=r"d\.h5:/other/short: 4 entries found, 6"):
            opened.column("/other/short")


def test_a_file_that_is_being_written_ends_with_its_last_whole_shot(tmp_path):
    with dataset_writer.DatasetWriter(tmp_path / "d.h5", (20, 30), np.uint16) as writer:
        writer.let_others_read()
        names = ["x"] * 6
        writer.append(frames(), names, names, np.arange(6, dtype=np.uint64))
        writer.file[LABEL].resize(4, axis=0)
        writer.flush()

        with LabelledDataset(tmp_path / "d.h5") as opened:
            assert (len(opened), opened.growing) == (4, True)
            assert len(opened.frames()) == len(opened.names) == 4
            with pytest.raises(DataError, match=r"\[4\] do not exist"):
                opened.frames([4])
