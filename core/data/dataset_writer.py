"""Writes the labelled dataset of `core.data.labelled_dataset`, shot by shot."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.frames import PHOTONS, UNITS
from specklenn.core.data.hdf5_file import BEING_WRITTEN, find_datasets, reason
from specklenn.core.data.labelled_dataset import (
    DATA,
    LABEL,
    MASK,
    NAME,
    TEXT,
    TIMESTAMP,
)
from specklenn.core.data.masks import Mask
from specklenn.core.data.side_datasets import Texts
from specklenn.core.errors import DataError

ROWS_PER_COPY = 64

LIBVER = ("v110", "v110")
"""Of every file that we write: HDF5 1.10 and all later ones can read it.

It is the first format that can be read while it is written. Without a bound HDF5 writes
encodings of types and layouts that it has only just learned.
"""

COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class DatasetWriter:
    """Appends shots to a labelled dataset file.

    Parameters
    ----------
    path : path
        File to create; an existing one is replaced.
    shape : (H, W) or (modules, H, W)
        Shape of the patterns.
    dtype : data type
        Of the patterns, uint16 or float32.
    mask : bool array of that shape, optional
        True where bad.
    labels, names, timestamps : bool
        Which of the optional datasets to write.
    in_photons : bool
        Whether to say that the patterns are calibrated, so that nobody does it again.
    compression : mapping, optional
        Of the patterns, as h5py takes it; by default gzip for integers alone: read
        noise does not shrink.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: npt.DTypeLike = np.float32,
        mask: Mask | None = None,
        *,
        labels: bool = True,
        names: bool = True,
        timestamps: bool = True,
        in_photons: bool = False,
        compression: Mapping[str, Any] | None = None,
    ) -> None:
        with writing(path):
            self.file = open_for_writing(path)
        self._columns: dict[str, h5py.Dataset] = {}
        self.file.attrs["creator"] = "specklenn"
        self._columns[DATA] = self.file.create_dataset(
            DATA,
            shape=(0, *shape),
            maxshape=(None, *shape),
            dtype=dtype,
            chunks=(1, *shape),
            **(_usual_compression(dtype) if compression is None else compression),
        )
        if in_photons:
            self._columns[DATA].attrs[UNITS] = PHOTONS
        if mask is not None:
            self.file.create_dataset(MASK, data=mask.astype(np.uint8))
        wanted = ((LABEL, TEXT, labels), (NAME, TEXT, names))
        for name, kind, there in (*wanted, (TIMESTAMP, np.uint64, timestamps)):
            if there:
                self.add_column(name, kind, chunk=1024)

    @classmethod
    def reopen(
        cls, path: str | os.PathLike[str], shots: int | None = None
    ) -> DatasetWriter:
        """Go on with a file that was begun, behind its last whole shot.

        A file whose writer was killed is copied first, as far as it goes.

        Parameters
        ----------
        path : path
        shots : int, optional
            How many are known to be whole; by default all that every dataset has.

        Raises
        ------
        DataError
            If it cannot be opened or written.
        """
        writer = cls.__new__(cls)
        with writing(path):
            writer.file = _opened_again(Path(path), shots)
            writer._columns = _growing(writer.file)
            lengths = map(len, writer._columns.values())
            writer.truncate(min([*lengths, *([] if shots is None else [shots])]))
        return writer

    def truncate(self, shots: int) -> None:
        """Drop what lies behind the first so many shots."""
        for column in self._columns.values():
            column.resize(shots, axis=0)

    def __len__(self) -> int:
        return int(self._columns[DATA].shape[0])

    def add_column(
        self,
        name: str,
        dtype: npt.DTypeLike,
        shape: tuple[int, ...] = (),
        chunk: int = 256,
    ) -> None:
        """Create another dataset with a value of this shape for every shot."""
        self._columns[name] = self.file.create_dataset(
            name,
            shape=(0, *shape),
            maxshape=(None, *shape),
            dtype=dtype,
            chunks=(chunk, *shape),
        )

    def let_others_read(self) -> None:
        """Switch to single-writer multiple-reader mode; no more columns after this."""
        self.file.swmr_mode = True

    def append(
        self,
        patterns: npt.NDArray[Any],
        labels: Sequence[str] | Texts | None = None,
        names: Sequence[str] | Texts | None = None,
        timestamps_ns: npt.NDArray[np.uint64] | None = None,
        others: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        """Write shots behind the ones that are there.

        Parameters
        ----------
        patterns : (B, ...) array, photons per pixel
        labels, names : (B,) str, optional
        timestamps_ns : (B,) uint64, optional
        others : dict of name to (B, ...) array, optional
            Values of the added columns.

        Raises
        ------
        ValueError
            If a column lacks values or has the wrong number; nothing is written then.
        """
        usual = {LABEL: labels, NAME: names, TIMESTAMP: timestamps_ns}
        values: dict[str, Any] = {DATA: patterns, **usual, **(others or {})}
        first, last = len(self), len(self) + len(patterns)
        for name in self._columns:
            given = values.get(name)
            if given is None or len(given) != len(patterns):
                raise ValueError(f"{name}: {len(patterns)} values expected")
        for name, column in self._columns.items():
            column.resize(last, axis=0)
            column[first:last] = storable(values[name])

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self.file.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.file.close()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _usual_compression(dtype: npt.DTypeLike) -> Mapping[str, Any]:
    return COMPRESSION if np.dtype(dtype).kind in "ui" else {}


def fast_compression() -> Mapping[str, Any]:
    """Return Bitshuffle with LZ4, which keeps up with a run; readers need hdf5plugin.

    On one core it packs about ten times as many frames a second as gzip, and whole
    photons in floating point smaller; read noise stays large by either.
    """
    hdf5plugin = importlib.import_module("hdf5plugin")
    return dict(hdf5plugin.Bitshuffle(cname="lz4"))


def write_dataset(
    path: str | os.PathLike[str],
    patterns: npt.NDArray[Any],
    labels: Sequence[str] | Texts | None = None,
    names: Sequence[str] | Texts | None = None,
    mask: Mask | None = None,
    timestamps_ns: npt.NDArray[np.uint64] | None = None,
) -> None:
    """Write a labelled dataset in one go; see `DatasetWriter`."""
    with DatasetWriter(
        path,
        patterns.shape[1:],
        patterns.dtype,
        mask,
        labels=labels is not None,
        names=names is not None,
        timestamps=timestamps_ns is not None,
    ) as writer:
        writer.append(patterns, labels, names, timestamps_ns)


def storable(values: Any) -> npt.NDArray[Any]:
    """Return values as HDF5 stores them: texts as UTF-8 of fixed length."""
    array = np.asarray(values)
    if array.dtype.kind != "U":
        return array
    return np.char.encode(array, "utf-8").astype(TEXT)


def open_for_writing(
    path: str | os.PathLike[str], mode: Literal["w", "r+"] = "w"
) -> h5py.File:
    """Open an HDF5 file in the format of all that we write.

    Parameters
    ----------
    path : path
    mode : {"w", "r+"}
        Replace it, or change what is there.

    Raises
    ------
    OSError
        Of h5py; see `writing`.
    """
    return h5py.File(path, mode, libver=LIBVER)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever HDF5 raises while it writes a file into a DataError.

    A failed flush is a RuntimeError of h5py, a failed write an OSError.
    """
    try:
        yield
    except DataError:
        raise
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be written: {reason(error)}") from error


def _growing(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the datasets of a file that have a value for every shot."""
    found = find_datasets(file)
    return {name: found[name] for name in found if found[name].maxshape[:1] == (None,)}


def _opened_again(path: Path, shots: int | None) -> h5py.File:
    try:
        return open_for_writing(path, "r+")
    except OSError as error:
        if BEING_WRITTEN not in str(error):
            raise
    mended = path.with_name(f".{path.name}.mended")
    try:
        with (
            h5py.File(path, "r", swmr=True) as left,
            open_for_writing(mended) as whole,
        ):
            _copy(left, whole, shots)
    except BaseException:
        mended.unlink(missing_ok=True)
        raise
    os.replace(mended, path)
    return open_for_writing(path, "r+")


def _copy(source: h5py.File, target: h5py.File, shots: int | None) -> None:
    """Copy a file that was not closed: attributes, fixed and growing datasets.

    Behind the whole shots there may be shots without content.
    """
    target.attrs.update(source.attrs)
    for name, item in find_datasets(source).items():
        grows = item.maxshape[:1] == (None,)
        rows = len(item) if item.ndim else 0
        if grows and shots is not None:
            rows = min(rows, shots)
        made = target.create_dataset(
            name,
            shape=(rows, *item.shape[1:]) if item.ndim else (),
            maxshape=item.maxshape if grows else None,
            dtype=item.dtype,
            chunks=item.chunks,
            compression=item.compression,
            compression_opts=item.compression_opts,
            shuffle=item.shuffle or None,
        )
        if item.ndim == 0:
            made[()] = item[()]
        for first in range(0, rows, ROWS_PER_COPY):
            part = slice(first, min(first + ROWS_PER_COPY, rows))
            made[part] = item[part]
