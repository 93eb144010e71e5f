"""Masks of detector pixels: read, stacked and compared with the frames.

In a file 0 is good. A mask is (H, W), or (modules, h, w) stacked as the frames are,
or has one of these for every shot: then a pixel is bad that is bad in any shot.
"""

from __future__ import annotations

import math
import os

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import (
    check_numbers,
    get_dataset,
    open_file,
    read_values,
    title,
)
from specklenn.core.errors import DataError

Mask = npt.NDArray[np.bool_]

MASK = "/entry_1/data_1/mask"

MASKS_AT_ONCE = 16
"""Masks of single shots that are read at once."""


def read_mask_file(
    path: str | os.PathLike[str],
    dataset: str = MASK,
    shape: tuple[int, int] | None = None,
) -> Mask:
    """Read a mask from a file of its own.

    Parameters
    ----------
    path : path
        HDF5 file.
    dataset : str
    shape : (H, W), optional
        Of the frames; by default that of the mask, its modules stacked.

    Returns
    -------
    (H, W) bool
        True where a pixel is bad.

    Raises
    ------
    DataError
        If the file or the dataset cannot be read, or the mask has another shape.
    """
    with open_file(path) as file:
        return read_mask(get_dataset(file, dataset), shape)


def read_mask(dataset: h5py.Dataset, shape: tuple[int, int] | None = None) -> Mask:
    """Read a mask, (H, W) bool, True where bad; see `read_mask_file`."""
    check_mask(dataset, shape)
    found = _stacked(dataset.shape)
    if found == (shape or found):
        single: Mask = (read_values(dataset) != 0).reshape(found)
        return single
    bad = np.zeros(_stacked(dataset.shape[1:]), bool)
    for first in range(0, len(dataset), MASKS_AT_ONCE):
        masks = read_values(dataset, slice(first, first + MASKS_AT_ONCE))
        bad |= (masks != 0).any(axis=0).reshape(bad.shape)
    return bad


def check_mask(dataset: h5py.Dataset, shape: tuple[int, int] | None = None) -> None:
    """Refuse a dataset that is no mask of frames of this shape, without reading it.

    Raises
    ------
    DataError
        If it holds no numbers or has another shape.
    """
    check_numbers(dataset, "buif")
    possible = [_stacked(dataset.shape[first:]) for first in range(dataset.ndim - 1)]
    if not possible or (shape is not None and shape not in possible[:2]):
        raise DataError(
            f"{title(dataset)}: mask of shape {dataset.shape}, "
            f"{shape or '(H, W)'} expected"
        )


def _stacked(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of a mask whose modules are stacked from top to bottom."""
    return math.prod(shape[:-1]), shape[-1]
