"""Files as detectors and other programs write them: what they hold is what is read."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from specklenn.core.data.labelled_dataset import DATA, LABEL, MASK, LabelledDataset
from specklenn.core.errors import DataError
from specklenn.plugin.sources.hdf5 import Hdf5Source

SHAPE = (64, 48)
SHOTS = 5

COMPRESSIONS = {
    "bitshuffle": hdf5plugin.Bitshuffle(),
    "blosc": hdf5plugin.Blosc(),
    "blosc2": hdf5plugin.Blosc2(),
    "bzip2": hdf5plugin.BZip2(),
    "fcidecomp": hdf5plugin.FciDecomp(),
    "lz4": hdf5plugin.LZ4(),
    "sz": hdf5plugin.SZ(absolute=0.25),
    "sz3": hdf5plugin.SZ3(absolute=0.25),
    "zfp": hdf5plugin.Zfp(reversible=True),
    "zstd": hdf5plugin.Zstd(),
    "gzip": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "scale and offset": {"scaleoffset": 0},
}

FLOATING = ("sz", "sz3", "zfp")


@pytest.fixture
def frames():
    return np.random.default_rng(0).poisson(3, (SHOTS, *SHAPE)).astype(np.uint16)


def written(path, values, **how):
    with h5py.File(path, "w") as file:
        file.create_dataset(DATA, data=values, **how)
    return path


def read(path):
    """Read a file as a dataset and as a run, which must agree; returns the frames."""
    with LabelledDataset(path) as file:
        found = file.frames()
    source = Hdf5Source([path])
    shots = source.read(0, len(source))
    source.close()
    np.testing.assert_array_equal(shots.frames, found)
    assert not shots.flags.any()
    return found


@pytest.mark.parametrize("frames_in_chunk", [1, 3])
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_frames_are_read(tmp_path, frames, name, frames_in_chunk):
    values = frames.astype("f4") if name in FLOATING else frames
    chunks = (frames_in_chunk, *SHAPE)

    found = read(
        written(tmp_path / "d.h5", values, chunks=chunks, **COMPRESSIONS[name])
    )

    np.testing.assert_allclose(found, values, atol=0.25 if "sz" in name else 0)
    assert found.dtype == values.dtype


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", "f2", "i2", "i4", "u1", "f8"])
def test_any_real_numbers_are_read_as_they_are(tmp_path, frames, dtype):
    values = frames.astype(dtype)
    if values.dtype.kind in "if":
        values[:, 3] = -7

    found = read(written(tmp_path / "d.h5", values))

    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("dtype", ["c8", bool])
def test_frames_of_no_real_numbers_are_refused_in_one_sentence(tmp_path, dtype):
    path = written(tmp_path / "d.h5", np.zeros((2, *SHAPE), dtype))

    with pytest.raises(DataError, match=r"^[^\n]*d\.h5:.*: data type .*, numbers exp"):
        Hdf5Source([path])


def test_frames_behind_soft_and_external_links_are_read(tmp_path, frames):
    written(tmp_path / "far.h5", frames)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["/raw/frames"] = h5py.ExternalLink("far.h5", DATA)
        file[DATA] = h5py.SoftLink("/raw/frames")

    np.testing.assert_array_equal(read(tmp_path / "d.h5"), frames)


def test_a_single_frame_is_a_run_of_one(tmp_path, frames):
    path = written(tmp_path / "d.h5", frames[2])
    with h5py.File(path, "r+") as file:
        file[MASK] = (frames[2] > 3).astype("u1")
        file[LABEL] = ["single-hit"]

    np.testing.assert_array_equal(read(path), frames[[2]])
    with LabelledDataset(path) as file:
        assert len(file) == 1
        np.testing.assert_array_equal(file.mask, frames[2] > 3)
        assert file.labels.tolist() == ["single-hit"]
        with pytest.raises(DataError, match=r"events \[1\] do not exist"):
            file.frames([1])
