"""HDF5 files for reading; whatever HDF5 refuses is said in one sentence."""

from __future__ import annotations

import importlib
import math
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError

BEING_WRITTEN = "already open for write"
"""What HDF5 says of a file whose writer lives, or died without closing it."""

OTHER_LOCKS = "file locking flag values don't match"
OTHER_MODE = "SWMR read access flag not the same"
"""What HDF5 says of a file that this process has open in another way."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"
VERSION, FLAGS, HEAD = 8, 11, 12
"""Bytes of a file that have the version of its format, and say who has it open."""

FLAGS_SINCE = 3
OPEN_FOR_WRITING = 0b101
"""A writer, in single-writer mode or not."""

UNLOCK = "set HDF5_USE_FILE_LOCKING=FALSE"

LOCKED = (
    "locked: another process writes it; wait until that has closed it, or "
    f"{UNLOCK} to read it as it is"
)

NO_LOCKS = f"its file system has no locks; {UNLOCK} to read it without"

NUMBERS = "uif"
"""NumPy's letters of what frames may be: unsigned, signed, floating point."""

NAMED = 12
"""Datasets of a file that are named where another one was looked for."""

MOST_GROUPS = 1000
"""Groups that are looked through for them."""

SMALL_CACHE = 2**20
"""Bytes of unpacked chunks that HDF5 keeps of every dataset anyway."""

LARGEST_CACHE = 2**30
"""Most bytes that are kept of one dataset; larger chunks are unpacked every time."""

CACHE_SLOTS = 1009
"""Places of the cache, a prime well above the number of chunks in it."""


def open_file(
    path: str | os.PathLike[str], *, followed: bool = False, swmr: bool = False
) -> h5py.File:
    """Open an HDF5 file for reading, whatever filters it was written with.

    A file that is still being written, or whose writer was killed, is read as far
    as it goes.

    Parameters
    ----------
    path : path
    followed : bool
        Take no lock: a writer that closes the file and opens it again would be
        refused meanwhile. See `specklenn.core.data.growing_file`.
    swmr : bool
        Read as while it is written, which a virtual dataset of such files needs.

    Raises
    ------
    DataError
        If it is missing, not HDF5, truncated or may not be read.
    """
    importlib.import_module("hdf5plugin")  # registers the filters
    options: dict[str, bool] = {}
    if followed:
        options["locking"] = False
    if swmr:
        options["swmr"] = True
    while True:
        try:
            return h5py.File(path, "r", **options)
        except OSError as error:
            other = _other_way(error, options)
            if other is None:
                raise DataError(f"{path}: {reason(error)}") from error
            options |= other


def _other_way(error: OSError, tried: dict[str, bool]) -> dict[str, bool] | None:
    """Return how else to open a file that was refused, if there is another way."""
    for sign, option in (
        (BEING_WRITTEN, {"swmr": True}),
        (OTHER_MODE, {"swmr": True}),
        (OTHER_LOCKS, {"locking": False}),
    ):
        if sign in str(error) and not option.items() <= tried.items():
            return option
    return None


def has_writer(path: Path) -> bool:
    """Whether a writer has a file open, or died with it open, by what the file says.

    False where its format does not tell, and where there is no file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    if len(head) < HEAD or not head.startswith(SIGNATURE):
        return False
    return head[VERSION] >= FLAGS_SINCE and bool(head[FLAGS] & OPEN_FOR_WRITING)


@contextmanager
def exploring(file: h5py.File) -> Iterator[None]:
    """Turn whatever HDF5 raises about what a file is made of into a DataError.

    Damaged bytes of groups, links and headers are found when they are looked at.
    """
    name = file.filename  # of a file that was closed meanwhile there is none
    try:
        yield
    except DataError:
        raise
    except (KeyError, OSError, RuntimeError, UnicodeError) as error:
        raise DataError(f"{name}: damaged HDF5 file: {reason(error)}") from error


def get_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return one dataset of an open file, ready to be read.

    Chunks of many frames are unpacked once and kept, instead of once for every frame.

    Raises
    ------
    DataError
        If nothing or no dataset has this name (it says which datasets there are), its
        compression filter or a file that holds its values is missing, or the file is
        damaged.
    """
    with exploring(file):
        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            known = ", ".join(dataset_names(file)) or "none"
            lost = _lost_link(file, name)
            raise DataError(
                f"{file.filename}: no dataset {name}{lost}; datasets found: {known}"
            )
        refuse_unreadable(found)
        needed = chunk_bytes(found)
        del found  # an open dataset keeps the cache that it was opened with
        return open_dataset(file, name, needed)


def open_dataset(file: h5py.File, name: str, cache_bytes: int) -> h5py.Dataset:
    """Open a dataset, with room for unpacked chunks, which no other handle may hold."""
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    if SMALL_CACHE < cache_bytes:
        access.set_chunk_cache(CACHE_SLOTS, min(cache_bytes, LARGEST_CACHE), 0.75)
    return h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))


def refuse_unreadable(dataset: h5py.Dataset) -> None:
    """Refuse a dataset of which no value can be read here.

    Raises
    ------
    DataError
        If its compression filter is not installed, or a file outside HDF5 that holds
        its values is missing or too short: HDF5 reads what it lacks as 0.
    """
    why = _missing_filter(dataset) or _missing_storage(dataset)
    if why:
        raise DataError(f"{title(dataset)}: cannot be read: {why}")


def _missing_storage(dataset: h5py.Dataset) -> str:
    """Say which external file of a dataset does not hold what it should, if any."""
    folder = os.path.dirname(dataset.file.filename)
    left = dataset.nbytes
    for name, offset, size in dataset.external or ():
        path = os.path.join(folder, name)
        path = path if os.path.exists(path) else name  # HDF5's own way, without prefix
        used = min(left, size)
        left -= used
        try:
            there = os.path.getsize(path)
        except OSError as error:
            return f"{name}: {(error.strerror or str(error)).lower()}"
        if there < offset + used:
            return f"{name}: {there} bytes found, {offset + used} expected"
    return ""


def chunk_bytes(dataset: h5py.Dataset) -> int:
    """Return the size of all chunks that a frame lies in, 0 if none is compressed."""
    if not dataset.chunks or not dataset.id.get_create_plist().get_nfilters():
        return 0
    across = [
        math.ceil(length / chunk)
        for length, chunk in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
    ]
    return int(math.prod((*dataset.chunks, *across)) * dataset.dtype.itemsize)


def dataset_names(file: h5py.File) -> list[str]:
    """Return names of datasets of an open file for a message, the first dozen.

    Soft and external links are followed; those that lead nowhere are named with what
    they lead to.
    """
    found: list[str] = []
    waiting = deque([("", file)])
    seen = {_identity(file)}
    while waiting and len(seen) < MOST_GROUPS:
        path, group = waiting.popleft()
        for key in group:
            item, name = group.get(key), f"{path}/{key}"
            if isinstance(item, h5py.Dataset):
                found.append(name)
            elif item is None:
                found.append(f"{name}{_lost_link(file, name)}")
            elif isinstance(item, h5py.Group) and _identity(item) not in seen:
                seen.add(_identity(item))
                waiting.append((name, item))
    return sorted(found)[:NAMED]


def _identity(group: h5py.Group) -> tuple[int, int]:
    """Return what tells a group from all others, whatever it is called."""
    info = h5py.h5o.get_info(group.id)
    return info.fileno, info.addr


def _lost_link(file: h5py.File, name: str) -> str:
    """Say where a link leads that leads nowhere; empty for anything else."""
    parent, _, key = name.strip("/").rpartition("/")
    group = file.get(parent) if parent else file
    if not isinstance(group, h5py.Group) or group.get(key) is not None:
        return ""
    link = group.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return f" (a link to {link.filename}:{link.path}, which cannot be opened)"
    if isinstance(link, h5py.SoftLink):
        return f" (a link to {link.path}, which does not exist)"
    return ""


def find_datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all datasets that lie in an open file by name; links are not followed."""
    found: dict[str, h5py.Dataset] = {}

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"/{name}"] = item

    file.visititems(add)
    return found


def title(dataset: h5py.Dataset) -> str:
    """Return file and name of a dataset, as error messages begin."""
    return f"{dataset.file.filename}:{dataset.name}"


def check_numbers(dataset: h5py.Dataset, kinds: str = NUMBERS) -> None:
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
            return (
                f"compression filter {code}{called} is not installed; the newest "
                "package hdf5plugin has most filters, others belong into a folder "
                "that HDF5_PLUGIN_PATH names"
            )
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
        ("Resource temporarily unavailable", LOCKED),
        ("No locks available", NO_LOCKS),
        ("Function not implemented", NO_LOCKS),
    ):
        if sign in text:
            return words
    # HDF5 adds buffers and offsets in several lines to what the system said.
    said = re.search(r"error message = '([^']+)'|^\[Errno \d+\] ([\w ]+)$", text)
    return (said[1] or said[2]).lower() if said else text
