"""HDF5 files for reading; whatever HDF5 refuses is said in one sentence."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError

BEING_WRITTEN = "already open for write"
"""What HDF5 says of a file whose writer lives, or died without closing it."""

NAMED = 12
"""Datasets of a file that are named where another one was looked for."""


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
    known = ", ".join(sorted(find_datasets(file))[:NAMED]) or "none"
    raise DataError(f"{file.filename}: no dataset {name}; datasets found: {known}")


def find_datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all datasets of an open file by name."""
    found: dict[str, h5py.Dataset] = {}

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"/{name}"] = item

    file.visititems(add)
    return found


def title(dataset: h5py.Dataset) -> str:
    """Return file and name of a dataset, as error messages begin."""
    return f"{dataset.file.filename}:{dataset.name}"


def check_numbers(dataset: h5py.Dataset, kinds: str = "uif") -> None:
    """Refuse a dataset that holds no numbers.

    Parameters
    ----------
    dataset : h5py.Dataset
    kinds : str
        NumPy's letters of what is allowed: unsigned, signed, floating point.

    Raises
    ------
    DataError
    """
    if dataset.shape is None:
        raise DataError(f"{title(dataset)}: holds no values, numbers expected")
    if dataset.dtype.kind not in kinds:
        raise DataError(
            f"{title(dataset)}: data type {dataset.dtype}, numbers expected"
        )


def read_values(dataset: h5py.Dataset, rows: slice | None = None) -> npt.NDArray[Any]:
    """Read a dataset, or some of its rows.

    Raises
    ------
    DataError
        If a part of it cannot be read.
    """
    with reading(dataset):
        return np.asarray(dataset[() if rows is None else rows])


@contextmanager
def reading(dataset: h5py.Dataset, part: str = "") -> Iterator[None]:
    """Turn whatever HDF5 raises while it reads a dataset into a DataError.

    Parameters
    ----------
    dataset : h5py.Dataset
    part : str
        Part of the dataset, as "shot 4"; the message names it.
    """
    try:
        yield
    except DataError:
        raise
    except (OSError, RuntimeError) as error:
        what = f"{part} cannot" if part else "cannot"
        why = _missing_filter(dataset) or reason(error)
        raise DataError(f"{title(dataset)}: {what} be read: {why}") from error


def _missing_filter(dataset: h5py.Dataset) -> str:
    """Say which compression filter of a dataset is not installed, if one is not."""
    settings = dataset.id.get_create_plist()
    for number in range(settings.get_nfilters()):
        code, _, _, name = settings.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            called = f" ({name.decode(errors='replace')})" if name else ""
            return f"compression filter {code}{called} is not installed"
    return ""


def reason(error: Exception) -> str:
    """Say in a few words why HDF5 refused a file."""
    text = str(error)
    for sign, words in (
        ("truncated file", "truncated HDF5 file, it ends before its data do"),
        ("file signature not found", "not an HDF5 file"),
        ("Permission denied", "permission denied"),
        ("No such file", "no such file or folder"),
        ("No space left", "no space left on the device"),
        ("filter returned failure", "damaged, it does not decompress"),
        (BEING_WRITTEN, "another process writes it, or was killed"),
    ):
        if sign in text:
            return words
    # HDF5 adds buffers and offsets in several lines to what the system said.
    said = re.search(r"error message = '([^']+)'|^\[Errno \d+\] ([\w ]+)$", text)
    return (said[1] or said[2]).lower() if said else text
