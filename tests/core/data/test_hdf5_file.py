"""Files that cannot be read are refused in one sentence."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data.hdf5_file import get_dataset, open_file, read_values
from specklenn.core.errors import DataError

NOBODYS_FILTER = 32767


def test_a_truncated_file_is_called_truncated(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = np.zeros(1000)
    content = (tmp_path / "d.h5").read_bytes()
    (tmp_path / "d.h5").write_bytes(content[: len(content) // 2])

    with pytest.raises(DataError, match=r"d\.h5: truncated HDF5 file"):
        open_file(tmp_path / "d.h5")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"text", "not an HDF5 file")]
)
def test_what_is_no_hdf5_file_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "d.h5").write_bytes(content)

    with pytest.raises(DataError, match=words):
        open_file(tmp_path / "d.h5")


def test_a_wrong_name_tells_which_datasets_there_are(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["/some/where"] = [1]

    with (
        open_file(tmp_path / "d.h5") as file,
        pytest.raises(DataError, match=r"no dataset /x; datasets found: /some/where"),
    ):
        get_dataset(file, "/x")


def test_a_compression_filter_that_is_not_installed_is_named(tmp_path):
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", data=np.zeros((4, 5)), chunks=(4, 5), **hdf5plugin.Bitshuffle()
        )
    ours, nobodys = (
        number.to_bytes(2, "little") for number in (hdf5plugin.BSHUF_ID, NOBODYS_FILTER)
    )
    content = path.read_bytes()
    assert content.count(ours) == 1
    path.write_bytes(content.replace(ours, nobodys))

    with (
        open_file(path) as file,
        pytest.raises(
            DataError, match=rf"d\.h5:/x: .* filter {NOBODYS_FILTER} .*is not"
        ),
    ):
        read_values(file["x"])
