"""Frames of any detector as pictures to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.assembly import Assembly, as_tiles
from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.reports.shown_file import Picture

LARGEST_SIDE = 512
"""Pixels of a picture; of larger ones squares of pixels become their mean."""


class FramePictures:
    """Pictures of the frames of an open file.

    Parameters
    ----------
    file : LabelledDataset
    layout : function
        Puts the modules of a frame into a picture.
    """

    def __init__(
        self, file: LabelledDataset, layout: Callable[[Picture], Picture]
    ) -> None:
        self._file = file
        self._layout = layout

    def __call__(self, position: int) -> Picture:
        """Return one frame as a picture; see `ShownFile`."""
        frame = self._file.frames([position])[0].astype(np.float32)
        bad = self._file.bad_in([position])
        frame[self._file.bad if bad is None else bad[0]] = np.nan
        return shrunk(self._layout(frame))


def layout(
    shape: tuple[int, int], modules: int, pixels_m: npt.NDArray[Any] | None = None
) -> Callable[[Picture], Picture]:
    """Return what puts the modules of a frame into a picture.

    Parameters
    ----------
    shape : (H, W)
        Of a frame, its modules stacked.
    modules : int
    pixels_m : (..., 3) array, optional
        Where its pixels are in space; used if there is one for each.
    """
    if pixels_m is None or pixels_m.size != 3 * shape[0] * shape[1]:
        tiled = modules if shape[0] % modules == 0 else 1
        return lambda frame: as_tiles(frame, tiled)
    assembly = Assembly(pixels_m)

    def assembled(frame: Picture) -> Picture:
        (picture,) = assembly.pictures(frame[None])
        picture[assembly.empty] = np.nan
        return np.asarray(picture)

    return assembled


def shrunk(picture: Picture) -> Picture:
    """Return a picture of at most `LARGEST_SIDE`, of means of squares if need be."""
    factor = -(-max(picture.shape) // LARGEST_SIDE)
    if factor == 1:
        return picture
    height, width = (side // factor for side in picture.shape)
    squares = picture[: height * factor, : width * factor].reshape(
        height, factor, width, factor
    )
    good = np.isfinite(squares)
    number = good.sum(axis=(1, 3))
    sums = np.where(good, squares, np.float32(0)).sum(axis=(1, 3))
    mean = sums / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan).astype(np.float32)
