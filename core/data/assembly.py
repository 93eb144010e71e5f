"""One picture from the modules of a detector, each pixel where it is in space."""

from __future__ import annotations

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
