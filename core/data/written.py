"""How far a dataset was written that is still being written.

Its length alone does not tell: a writer makes room before it fills it, some for the
whole run at the start, and what was not written yet HDF5 reads as the fill value.
"""

from __future__ import annotations

import math
from itertools import product

import h5py
import numpy as np

MOST_PASSED_OVER = 64
"""Missing chunks that a writer may leave out before others."""

MOST_LOOKED_AT = 16
"""Rows at the end of which one must hold more than the fill value."""


def written_rows(dataset: h5py.Dataset, known: int = 0) -> int:
    """Return how many rows there are up to the last one that is there in full.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of at least one dimension, neither virtual nor in external files.
    known : int
        Rows that were there before; nothing is looked at again.
    """
    rows = int(dataset.shape[0])
    if not dataset.chunks:
        return rows if dataset.id.get_storage_size() else 0
    length = int(dataset.chunks[0])
    last = math.ceil(rows / length) - 1
    if last < 0 or _has_chunks(dataset, last):
        return rows
    found = _after(dataset, known, last) if known else _before(dataset, last)
    return min(found * length, rows)


def _after(dataset: h5py.Dataset, known: int, last: int) -> int:
    """Return how many rows of chunks there are, searching from the known ones on."""
    found = math.ceil(known / int(dataset.chunks[0]))
    number = found
    while number < last and number - found <= MOST_PASSED_OVER:
        if _has_chunks(dataset, number):
            found = number + 1
        number += 1
    return found


def _before(dataset: h5py.Dataset, last: int) -> int:
    """Return how many rows of chunks there are; first of all if none is left out."""
    guess = int(dataset.id.get_num_chunks()) // math.prod(_counts(dataset))
    if guess == 0:
        return 0
    if _has_chunks(dataset, guess - 1) and not any(_is_there(dataset, guess)):
        return guess
    for number in range(last, 0, -1):
        if _has_chunks(dataset, number - 1):
            return number
    return 0


def _counts(dataset: h5py.Dataset) -> list[int]:
    sides = zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
    return [math.ceil(side / chunk) for side, chunk in sides]


def _is_there(dataset: h5py.Dataset, number: int) -> list[bool]:
    """Return which chunks of a row of chunks were written."""
    chunks = dataset.chunks
    places = product([number], *(range(count) for count in _counts(dataset)))
    corners = (
        tuple(place * side for place, side in zip(each, chunks, strict=True))
        for each in places
    )
    return [
        dataset.id.get_chunk_info_by_coord(corner).byte_offset is not None
        for corner in corners
    ]


def _has_chunks(dataset: h5py.Dataset, number: int) -> bool:
    """Whether every chunk of a row of chunks was written."""
    return all(_is_there(dataset, number))


def filled_rows(dataset: h5py.Dataset, known: int, rows: int) -> int:
    """Return how many rows there are up to the last one that holds anything.

    Chunks of several rows, and datasets without chunks, are there before all of their
    rows are. So a row counts if it, or a later one, is not the fill value alone.

    Parameters
    ----------
    dataset : h5py.Dataset
    known : int
        Rows that counted before.
    rows : int
        Rows that are there, see `written_rows`.
    """
    if dataset.chunks and dataset.chunks[0] == 1:
        return rows
    for row in range(rows - 1, max(known, rows - MOST_LOOKED_AT) - 1, -1):
        if (np.asarray(dataset[row]) != dataset.fillvalue).any():
            return row + 1
    return min(known, rows)


def filled_values(column: h5py.Dataset, known: int, rows: int) -> int:
    """Return the same of a column of single values, which may be all unknown so far."""
    values = np.asarray(column[known:rows]).reshape(rows - known, -1)
    filled = np.flatnonzero((values != column.fillvalue).any(axis=1))
    if len(filled):
        return known + int(filled[-1]) + 1
    before = np.asarray(column[known - 1] if known else column.fillvalue)
    return rows if bool(np.all(before == column.fillvalue)) else known
