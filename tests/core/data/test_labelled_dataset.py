import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data import dataset_writer, labelled_dataset
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


def test_a_mask_per_shot_counts_a_pixel_as_bad_if_it_ever_is(tmp_path):
    masks = np.zeros((6, 20, 30), np.uint8)
    masks[3, 5, 6] = 1
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = frames()
        file[labelled_dataset.MASK] = masks

    assert np.argwhere(
        labelled_dataset.read_dataset(tmp_path / "d.h5").mask
    ).tolist() == [[5, 6]]


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


def test_a_truncated_file_is_called_truncated(tmp_path):
    write_whole(tmp_path / "d.h5")
    content = (tmp_path / "d.h5").read_bytes()
    (tmp_path / "d.h5").write_bytes(content[: len(content) // 2])

    with pytest.raises(DataError, match=r"d\.h5: truncated HDF5 file"):
        labelled_dataset.read_dataset(tmp_path / "d.h5")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"text", "not an HDF5 file")]
)
def test_what_is_no_hdf5_file_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "d.h5").write_bytes(content)

    with pytest.raises(DataError, match=words):
        labelled_dataset.read_dataset(tmp_path / "d.h5")


def test_a_wrong_dataset_path_tells_which_there_are(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["/some/where"] = frames()

    with pytest.raises(DataError, match="datasets found: /some/where"):
        labelled_dataset.read_dataset(tmp_path / "d.h5")


def test_a_dataset_that_is_no_stack_of_pictures_is_refused(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = np.zeros((5, 5))

    with pytest.raises(DataError, match=r"shape \(5, 5\), expected \(N, H, W\)"):
        labelled_dataset.read_dataset(tmp_path / "d.h5")


def test_a_dataset_that_holds_no_numbers_is_refused(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file[labelled_dataset.DATA] = np.full((2, 2, 2), b"x")

    with pytest.raises(DataError, match="numbers expected"):
        labelled_dataset.read_dataset(tmp_path / "d.h5")
