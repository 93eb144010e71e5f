"""One picture from the modules of a detector: where they are in space, or in tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


class Assembly:
    """Puts pixels into a picture, the nearest place for each.

    Parameters
    ----------
    positions_m : (..., 3) array
        Pixel centres, x to the right and y up; the last axis but one runs along
        the rows of a module.

    Attributes
    ----------
    shape : (h, w)
        Shape of the picture.
    empty : (h, w) bool
        Places without a pixel.
    """

    def __init__(self, positions_m: npt.NDArray[Any]) -> None:
        steps = np.diff(positions_m[..., :2], axis=-2)
        size_m = float(np.median(np.linalg.norm(steps, axis=-1)))
        x, y = np.asarray(positions_m, np.float64).reshape(-1, 3)[:, :2].T
        columns = np.rint((x - x.min()) / size_m).astype(np.int64)
        rows = np.rint((y.max() - y) / size_m).astype(np.int64)
        self.shape = (int(rows.max()) + 1, int(columns.max()) + 1)
        self._places = rows * self.shape[1] + columns
        self.empty = np.ones(self.shape, bool)
        self.empty.ravel()[self._places] = False

    def pictures(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return frames as pictures, 0 where there is no pixel.

        Parameters
        ----------
        frames : (N, ...) array
            Frames of the positions' shape.

        Returns
        -------
        (N, h, w) array of the same type
        """
        number = len(frames)
        pictures = np.zeros((number, self.shape[0] * self.shape[1]), frames.dtype)
        pictures[:, self._places] = frames.reshape(number, -1)
        return pictures.reshape(number, *self.shape)


TILE_GAP = 2
"""Pixels between modules that are shown as tiles."""


def as_tiles(frame: npt.NDArray[np.float32], modules: int) -> npt.NDArray[np.float32]:
    """Return a frame whose stacked modules lie in rows, about as wide as high.

    Where nobody says where the modules are in space: they are in their order, from the
    upper left.

    Parameters
    ----------
    frame : (modules * h, w) float32
    modules : int

    Returns
    -------
    (H, W) float32
        NaN between modules; the frame itself if there is one module.
    """
    if modules == 1:
        return frame
    height, width = frame.shape[0] // modules, frame.shape[1]
    across = min(
        range(modules, 0, -1),
        key=lambda number: abs(
            math.log(number * width / (math.ceil(modules / number) * height))
        ),
    )
    down = math.ceil(modules / across)
    pitch = height + TILE_GAP, width + TILE_GAP
    tiles = np.full((down * pitch[0], across * pitch[1]), np.nan, np.float32)
    for number, module in enumerate(frame.reshape(modules, height, width)):
        top, left = number // across * pitch[0], number % across * pitch[1]
        tiles[top : top + height, left : left + width] = module
    return tiles[: tiles.shape[0] - TILE_GAP, : tiles.shape[1] - TILE_GAP]
