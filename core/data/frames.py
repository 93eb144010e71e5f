"""Frames in a file: a stack of pictures, their modules on top of each other.

Modules are stacked from top to bottom into one picture: (N, modules, H, W) is read
as (N, modules * H, W). A single picture (H, W) is a stack of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import reading
from specklenn.core.errors import DataError

UNITS, PHOTONS = "units", "photons"
"""Attribute of the frames that specklenn saved calibrated, and what it says."""

LARGEST_PICTURE = 10**8
"""Pixels: a file of a few bytes can claim any number of them."""

Frames = npt.NDArray[Any]
Indices = slice | Sequence[int] | npt.NDArray[np.integer[Any]]
Modules = Sequence[tuple[int, int]]


def read_frames(
    dataset: h5py.Dataset, shots: npt.NDArray[np.int64], modules: Modules | None
) -> Frames:
    """Read some frames, (B, H, W); see `LabelledDataset.frames`."""
    if dataset.ndim == 2:
        with reading(dataset):
            return np.asarray(dataset[()])[None][shots]
    ranges = modules if dataset.ndim == 4 else None
    parts = [()] if ranges is None else [(slice(*each),) for each in ranges]
    stretches = list(_stretches(shots))
    if len(stretches) == 1 and ranges is None:  # needs no second copy in memory
        return as_pictures(_read(dataset, (stretches[0][1],)))
    frames = np.zeros((len(shots), *dataset.shape[1:]), dataset.dtype)
    for target, source in stretches:
        for part in parts:
            frames[(target, *part)] = _read(dataset, (source, *part))
    return as_pictures(frames)


def _read(dataset: h5py.Dataset, chosen: tuple[slice, ...]) -> Frames:
    """Read a part of a dataset; where that fails, say which shot it is."""
    with reading(dataset):
        try:
            return np.asarray(dataset[chosen])
        except (OSError, RuntimeError):
            for shot in range(chosen[0].start, chosen[0].stop):
                with reading(dataset, f"shot {shot}"):
                    dataset[(shot, *chosen[1:])]
            raise


def numbered(rows: Indices, shots: int, where: object) -> npt.NDArray[np.int64]:
    """Return the numbers of some shots, (B,) int64.

    Parameters
    ----------
    rows : slice or sequence of int
    shots : int
        How many there are.
    where : object
        File and dataset, for messages.

    Raises
    ------
    DataError
        If a shot does not exist or is listed twice.
    """
    if isinstance(rows, slice):
        return np.arange(shots)[rows]
    events = np.asarray(rows, np.int64)
    outside = events[(events < 0) | (events >= shots)].tolist()
    if outside:
        there = f"shots 0 to {shots - 1}" if shots else "no shots"
        raise DataError(
            f"{where}: events {outside} do not exist, the dataset has {there}"
        )
    found, times = np.unique(events, return_counts=True)
    if len(found) < len(events):
        raise DataError(
            f"{where}: events {found[times > 1].tolist()} repeated, each once expected"
        )
    return events


def as_pictures(patterns: Frames) -> Frames:
    """Stack modules: (N, modules, H, W) to (N, modules * H, W)."""
    if patterns.ndim == 4:
        number, modules, height, width = patterns.shape
        return patterns.reshape(number, modules * height, width)
    return patterns


def as_picture(frame: Frames) -> Frames:
    """Stack the modules of one frame: (modules, H, W) to (modules * H, W)."""
    return frame.reshape(-1, frame.shape[-1])


def picture_shape(shape: Sequence[int], where: str) -> tuple[int, int]:
    """Return (H, W) of the pictures in a dataset of this shape.

    Raises
    ------
    DataError
        If the dataset is not a stack of pictures, or these are absurdly large.
    """
    if not 2 <= len(shape) <= 4:
        raise DataError(
            f"{where}: shape {tuple(shape)}, expected (N, H, W), (N, modules, H, W) or "
            "(H, W)"
        )
    height, width = (
        math.prod(shape[-3:-1] if len(shape) == 4 else shape[-2:-1]),
        shape[-1],
    )
    if height * width > LARGEST_PICTURE:
        raise DataError(
            f"{where}: pictures of {height} x {width} pixels, at most "
            f"{LARGEST_PICTURE} pixels expected"
        )
    return int(height), int(width)


def shot_count(shape: Sequence[int]) -> int:
    """Return how many pictures a dataset of this shape has."""
    return 1 if len(shape) == 2 else int(shape[0])


def module_count(shape: Sequence[int]) -> int:
    """Return how many modules lie on top of each other in the pictures."""
    return int(shape[1]) if len(shape) == 4 else 1


def _stretches(shots: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Split shots into those that follow each other: a slice is much faster to read.

    Gives where each stretch lies among the shots, and which shots it is.
    """
    breaks = (np.flatnonzero(np.diff(shots) != 1) + 1).tolist()
    for first, last in pairwise([0, *breaks, len(shots)]):
        if first < last:
            start = int(shots[first])
            yield slice(first, last), slice(start, start + last - first)
