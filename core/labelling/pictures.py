"""Patterns for the eye: pixels added up where photons are few, and brightness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

SCALES: dict[str, Callable[[Values], Values]] = {
    "log": np.log1p,
    "sqrt": np.sqrt,
    "linear": lambda values: values,
}
TOP_PERCENT = 99.5


def coarser(picture: Picture, width: int) -> Picture:
    """Add the photons of squares of pixels up.

    Parameters
    ----------
    picture : (h, w) float32, photons per pixel, NaN where bad
    width : int
        Side of the squares, pixels; those at the lower and right edge may be cut.

    Returns
    -------
    (ceil(h / width), ceil(w / width)) float32
        Photons per square, as if all its pixels were good; NaN where none is.
    """
    if width == 1:
        return picture
    padding = [(0, -side % width) for side in picture.shape]
    padded = np.pad(picture, padding, constant_values=np.nan)
    rows, columns = (side // width for side in padded.shape)
    squares = padded.reshape(rows, width, columns, width)
    good = np.isfinite(squares)
    numbers = good.sum(axis=(1, 3))
    sums = np.where(good, squares, 0).sum(axis=(1, 3), dtype=np.float64)
    whole = np.where(numbers > 0, sums * width**2 / np.maximum(numbers, 1), np.nan)
    return whole.astype(np.float32)


def fitting_width(shape: tuple[int, int], most: int) -> int:
    """Return the side of squares that leave at most so many a side."""
    return max(1, -(-max(shape) // most))


def brightness(picture: Picture, scale: str) -> Picture:
    """Return how bright to draw each pixel, on the picture's own scale.

    Parameters
    ----------
    picture : (h, w) float32, photons per pixel, NaN where bad
    scale : {"log", "sqrt", "linear"}
        Brightness follows log(1 + photons), their root, or photons.

    Returns
    -------
    (h, w) float32
        From 0 at the lowest value to 1 at the 99.5 % quantile, or at the highest value
        where those are the same; NaN where bad. Any picture gives one.
    """
    good = np.isfinite(picture)
    shown = np.full(picture.shape, np.nan, np.float32)
    if not good.any():
        return shown
    values = SCALES[scale](np.clip(picture[good], 0, None).astype(np.float64))
    low, high = float(values.min()), float(np.percentile(values, TOP_PERCENT))
    if high <= low:
        high = float(values.max())
    span = high - low if high > low else 1.0
    shown[good] = np.clip((values - low) / span, 0, 1)
    return shown
