"""Whatever is in an HDF5 file, it is read or refused; no process ends, none hangs."""

import io
from contextlib import suppress

import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data.labelled_dataset import DATA, LABEL, MASK, NAME
from specklenn.core.data.masks import read_mask_file
from specklenn.core.errors import SpecklennError
from specklenn.core.support import load_supports
from specklenn.plugin.sources.hdf5 import Hdf5Source
from specklenn.plugin.sources.lclstreamer.hdf5_message import Layout, Message

SHOTS = 4
SHAPE = (16, 16)
LAYOUT = Layout(frames=DATA, timestamps="/times")
FILTERS = {
    "contiguous": {},
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip"},
    "shuffle": {"chunks": (2, *SHAPE), "shuffle": True, "fletcher32": True},
}
MORE_FILTERS = {
    "bitshuffle": {"chunks": (2, *SHAPE), **hdf5plugin.Bitshuffle()},
    "blosc": {"chunks": (1, *SHAPE), **hdf5plugin.Blosc()},
    "lz4": {"chunks": (1, *SHAPE), **hdf5plugin.LZ4()},
    "zstd": {"chunks": (1, *SHAPE), **hdf5plugin.Zstd()},
}


def file_of(options, libver=None):
    """The bytes of a labelled dataset."""
    content, random = io.BytesIO(), np.random.default_rng(0)
    with h5py.File(content, "w", libver=libver) as file:
        frames = random.poisson(1, (SHOTS, *SHAPE)).astype(np.float32)
        file.create_dataset(DATA, data=frames, **options)
        file[MASK] = np.zeros(SHAPE, np.uint32)
        file[LABEL] = np.array([b"single-hit", b"multi-hit"] * 2)
        file[NAME] = np.array(["a"] * SHOTS, h5py.string_dtype())
        file["times"] = np.arange(SHOTS, dtype=np.uint64) + 2**60
    return content.getvalue()


def files(filters):
    return [
        file_of(options, libver) for options in filters for libver in (None, "latest")
    ]


def run(path):
    source = Hdf5Source([path])
    try:
        source.read(0, min(len(source), SHOTS))
        source.mask()
    finally:
        source.close()


READERS = {
    "run": run,
    "supports": load_supports,
    "mask": lambda path: read_mask_file(path, MASK, SHAPE),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_is_read_or_refused(hostile, tmp_path, name):
    path = tmp_path / "a.h5"
    for content in hostile(*files([*FILTERS.values(), *MORE_FILTERS.values()])):
        path.write_bytes(content)
        with suppress(SpecklennError):
            READERS[name](path)


def test_shots_of_a_message_are_read_or_flagged(hostile):
    for content in hostile(*files([*FILTERS.values(), MORE_FILTERS["bitshuffle"]])):
        message = Message(content, LAYOUT)
        shots = message.read(0, min(message.number, SHOTS))
        message.close()
        assert len(shots) == min(message.number, SHOTS)


def test_pictures_of_a_size_that_no_detector_has_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        frames = file.create_dataset(
            DATA, (2, 100_000, 100_000), "f4", chunks=(1, 100, 100)
        )
        frames[:, :100, :100] = 1

    with pytest.raises(SpecklennError, match=r"pictures of 100000 x 100000 pixels"):
        run(path)
