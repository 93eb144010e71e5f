"""Files that cannot be read are refused in one sentence."""

import errno
import os
import re
import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data.hdf5_file import get_dataset, open_file, read_values, reason
from specklenn.core.data.labelled_dataset import DATA, LabelledDataset
from specklenn.core.errors import DataError

NOBODYS_FILTER = 32767

HOLD = """
import sys, h5py
with h5py.File(sys.argv[1], "a"):
    print(flush=True)
    sys.stdin.readline()
"""
"""Holds a file open for writing until a line comes."""


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
            DataError,
            match=rf"d\.h5:/x: .* filter {NOBODYS_FILTER} .*is not .*hdf5plugin",
        ),
    ):
        get_dataset(file, "x")


@pytest.fixture
def linked(tmp_path):
    """A file whose datasets are reached by links, some of which lead nowhere."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["/far/frames"] = [7]
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["/raw/own"] = [1]
        file["soft"] = h5py.SoftLink("/raw/own")
        file["group"] = h5py.ExternalLink("other.h5", "/far")
        file["gone"] = h5py.ExternalLink("missing.h5", "/x")
        file["nowhere"] = h5py.SoftLink("/no/such")
        file["/raw/again"] = file["/"]  # round and round
    return tmp_path / "d.h5"


@pytest.mark.parametrize(
    ("name", "value"), [("/soft", 1), ("/group/frames", 7), ("/raw/again/raw/own", 1)]
)
def test_datasets_are_read_through_links(linked, name, value):
    with open_file(linked) as file:
        assert read_values(get_dataset(file, name)).tolist() == [value]


def test_datasets_behind_links_are_named_and_links_that_lead_nowhere_too(linked):
    with open_file(linked) as file, pytest.raises(DataError) as caught:
        get_dataset(file, "/x")

    assert str(caught.value).partition("datasets found: ")[2] == (
        "/gone (a link to missing.h5:/x, which cannot be opened), /group/frames, "
        "/nowhere (a link to /no/such, which does not exist), /raw/own, /soft"
    )


def test_a_link_that_leads_nowhere_is_no_missing_name(linked):
    with (
        open_file(linked) as file,
        pytest.raises(
            DataError, match=r"no dataset /gone \(a link to missing\.h5:/x, "
        ),
    ):
        get_dataset(file, "/gone")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "locked: another process writes it; .*HDF5_USE_FILE_LOCKING=F"),
        (errno.ENOLCK, "its file system has no locks; .*HDF5_USE_FILE_LOCKING=FALSE"),
    ],
)
def test_a_lock_that_cannot_be_had_says_why_and_what_to_set(number, words):
    said = OSError(
        f"[Errno {number}] Unable to synchronously open file (unable to lock file, "
        f"errno = {number}, error message = '{os.strerror(number)}')"
    )

    assert re.match(words, reason(said))


def test_a_file_that_its_writer_holds_is_called_locked(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = [1]
    writer = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "d.h5")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"},
    )
    try:
        writer.stdout.readline()
        with pytest.raises(DataError, match=r"d\.h5: locked: another process writes"):
            open_file(tmp_path / "d.h5")
    finally:
        writer.communicate(b"\n")


def test_values_in_a_file_of_their_own_must_be_there(tmp_path):
    raw = tmp_path / "raw.bin"
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("x", (4, 5), "u2", external=[(str(raw), 0, 40)])

    with (
        open_file(tmp_path / "d.h5") as file,
        pytest.raises(DataError, match=r"d\.h5:/x: .*raw\.bin: no such file"),
    ):
        get_dataset(file, "x")
    raw.write_bytes(bytes(39))
    with (
        open_file(tmp_path / "d.h5") as file,
        pytest.raises(DataError, match=r"raw\.bin: 39 bytes found, 40 expected"),
    ):
        get_dataset(file, "x")
    raw.write_bytes(b"\x01\x00" * 20)
    with open_file(tmp_path / "d.h5") as file:
        assert (read_values(get_dataset(file, "x")) == 1).all()


@pytest.mark.parametrize("virtual", [False, True])
def test_a_chunk_of_many_frames_is_unpacked_once(tmp_path, virtual):
    shape = (60, 100, 100)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset(
            DATA, data=np.ones(shape, "u2"), chunks=shape, compression="gzip"
        )
    name = "d.h5"
    if virtual:
        layout = h5py.VirtualLayout(shape, "u2")
        layout[:] = h5py.VirtualSource("d.h5", DATA, shape)
        name = "v.h5"
        with h5py.File(tmp_path / name, "w") as file:
            file.create_virtual_dataset(DATA, layout)

    with LabelledDataset(tmp_path / name) as file:
        file.frames([0])
        (tmp_path / "d.h5").write_bytes(bytes((tmp_path / "d.h5").stat().st_size))

        assert (file.frames(range(1, 60)) == 1).all()
