"""The labelled dataset: one HDF5 layout that every command reads and writes.

The layout is CXI's (see docs/architecture.md)::

    /entry_1/data_1/data          (N, H, W) or (N, modules, H, W), photons per pixel
    /entry_1/data_1/mask          (H, W) uint8, 0 = good, optional
    /entry_1/result_1/label       (N,) UTF-8, optional
    /entry_1/sample_1/name        (N,) UTF-8, optional
    /entry_1/event_1/timestamp_ns (N,) uint64, Unix epoch, optional

Modules are stacked from top to bottom into one picture: (N, modules, H, W)
is read as (N, modules * H, W).
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError

DATA = "/entry_1/data_1/data"
MASK = "/entry_1/data_1/mask"
LABEL = "/entry_1/result_1/label"
NAME = "/entry_1/sample_1/name"
TIMESTAMP = "/entry_1/event_1/timestamp_ns"

LONGEST_TEXT = 64
"""Bytes of a label or name in the files that we write."""

BEING_WRITTEN = "already open for write"
"""What HDF5 says of a file whose writer lives, or died without closing it."""

TEXT = h5py.string_dtype("utf-8", LONGEST_TEXT)
"""Fixed length, since strings of any length cannot be read while written."""

Texts = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A labelled dataset in memory.

    Parameters
    ----------
    patterns : (N, H, W) array, photons per pixel
    mask : (H, W) bool or None
        True where a pixel is bad.
    labels, names : (N,) str or None
    timestamps_ns : (N,) uint64 or None
    """

    patterns: npt.NDArray[Any]
    mask: Mask | None = None
    labels: Texts | None = None
    names: Texts | None = None
    timestamps_ns: npt.NDArray[np.uint64] | None = None


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Open an HDF5 file for reading, whatever filters it was written with.

    A file that is still being written, or whose writer was killed, is read as far
    as it goes.

    Raises
    ------
    DataError
        If it is missing, not HDF5, truncated or may not be read.
    """
    importlib.import_module("hdf5plugin")  # registers the filters
    try:
        return h5py.File(path, "r")
    except OSError as error:
        refused = error
    if BEING_WRITTEN in str(refused):
        try:
            return h5py.File(path, "r", swmr=True)
        except OSError as error:
            refused = error
    raise DataError(f"{path}: {reason(refused)}") from refused


def get_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return one dataset of an open file.

    Raises
    ------
    DataError
        If nothing or no dataset has this name; says which datasets there are.
    """
    found = file.get(name)
    if isinstance(found, h5py.Dataset):
        return found
    names: list[str] = []
    file.visititems(
        lambda key, item: (
            names.append(f"/{key}") if isinstance(item, h5py.Dataset) else None
        )
    )
    known = ", ".join(sorted(names)[:12]) or "none"
    raise DataError(f"{file.filename}: no dataset {name}; datasets found: {known}")


def get_frames(file: h5py.File, name: str) -> tuple[h5py.Dataset, tuple[int, int]]:
    """Return a dataset of frames and the shape (H, W) of one picture.

    Raises
    ------
    DataError
        If there is no such dataset, or it is no stack of pictures of numbers.
    """
    data = get_dataset(file, name)
    where = f"{file.filename}:{name}"
    if data.dtype.kind not in "uif":
        raise DataError(f"{where}: data type {data.dtype}, numbers expected")
    return data, picture_shape(data.shape, where)


def as_pictures(patterns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stack modules: (N, modules, H, W) to (N, modules * H, W)."""
    if patterns.ndim == 4:
        number, modules, height, width = patterns.shape
        return patterns.reshape(number, modules * height, width)
    return patterns


def as_picture(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stack the modules of one frame: (modules, H, W) to (modules * H, W)."""
    return frame.reshape(-1, frame.shape[-1])


def picture_shape(shape: Sequence[int], where: str) -> tuple[int, int]:
    """Return (H, W) of the pictures in a dataset of this shape.

    Raises
    ------
    DataError
        If the dataset is not a stack of pictures.
    """
    if len(shape) == 3:
        return int(shape[1]), int(shape[2])
    if len(shape) == 4:
        return int(shape[1] * shape[2]), int(shape[3])
    raise DataError(
        f"{where}: shape {tuple(shape)}, expected (N, H, W) or (N, modules, H, W)"
    )


def module_count(shape: Sequence[int]) -> int:
    """Return how many modules lie on top of each other in the pictures."""
    return int(shape[1]) if len(shape) == 4 else 1


def read_mask(dataset: h5py.Dataset, shape: tuple[int, int]) -> Mask:
    """Read a mask of pictures of this shape; True where bad.

    A mask per shot (N, H, W) is reduced to the pixels that are bad in any shot.
    """
    values = np.asarray(dataset[()]) != 0
    if values.size == shape[0] * shape[1]:
        single: Mask = values.reshape(shape)
        return single
    if values.ndim == 3 and values.shape[1:] == shape:
        reduced: Mask = values.any(axis=0)
        return reduced
    raise DataError(
        f"{dataset.file.filename}:{dataset.name}: mask of shape {values.shape}, "
        f"expected {shape}"
    )


def read_texts(dataset: h5py.Dataset) -> Texts:
    """Read a dataset of UTF-8 strings.

    Raises
    ------
    DataError
        If it does not hold strings.
    """
    if h5py.check_string_dtype(dataset.dtype) is None:
        raise DataError(
            f"{dataset.file.filename}:{dataset.name}: strings expected, "
            f"{dataset.dtype} found"
        )
    return np.asarray(dataset.asstr()[()], dtype=np.str_)


def read_dataset(
    path: str | os.PathLike[str], rows: slice | Sequence[int] | None = None
) -> Dataset:
    """Read a labelled dataset, or some of its rows, into memory.

    Parameters
    ----------
    path : path
        HDF5 or CXI file in the layout above.
    rows : slice or increasing indices, optional
        Which shots; all by default.

    Raises
    ------
    DataError
        If the file or its patterns cannot be read.
    """
    chosen: Any = slice(None) if rows is None else rows
    with open_file(path) as file:
        data, shape = get_frames(file, DATA)
        try:
            patterns = as_pictures(np.asarray(data[chosen]))
        except OSError as error:
            raise DataError(f"{path}:{DATA}: {reason(error)}") from error
        return Dataset(
            patterns=patterns,
            mask=read_mask(file[MASK], shape) if MASK in file else None,
            labels=read_texts(file[LABEL])[chosen] if LABEL in file else None,
            names=read_texts(file[NAME])[chosen] if NAME in file else None,
            timestamps_ns=file[TIMESTAMP][chosen] if TIMESTAMP in file else None,
        )


def reason(error: Exception) -> str:
    """Say in a few words why HDF5 refused a file."""
    text = str(error)
    for sign, words in (
        ("truncated file", "truncated HDF5 file, it ends before its data do"),
        ("file signature not found", "not an HDF5 file"),
        ("Permission denied", "permission denied"),
        ("No such file", "no such file or folder"),
        ("No space left", "no space left on the device"),
        (BEING_WRITTEN, "another process writes it, or was killed"),
    ):
        if sign in text:
            return words
    # HDF5 adds buffers and offsets in several lines to what the system said.
    said = re.search(r"error message = '([^']+)'|^\[Errno \d+\] ([\w ]+)$", text)
    return (said[1] or said[2]).lower() if said else text
