"""A pattern of photons as a small picture of palette indices; no Qt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MASKED = 255
"""Index of pixels without a value; photons use the indices below."""

BRIGHTEST = 254
TOP_PERCENT = 99.5
LARGEST_SIDE = 512


def palette_indices(
    pattern: npt.NDArray[np.float32],
    scale: Callable[[Values], Values] = np.log1p,
) -> npt.NDArray[np.uint8]:
    """Logarithm of the photons, or their root, on the picture's own scale.

    The scale of log(1 + photons) runs from the lowest to the 99.5 % quantile of
    the pixels that have a value; a pattern whose quantile is its lowest value
    (a few photons on nothing) uses the brightest pixel instead. Negative values
    count as no photons. Any input gives a picture.

    Parameters
    ----------
    pattern : (h, w) float32, photons per pixel
        NaN where masked; row 0 is the top.
    scale : function
        Of photons, in place of log(1 + photons).

    Returns
    -------
    (h, w) uint8
        `MASKED` where masked; sides above `LARGEST_SIDE` are thinned.
    """
    step = max(1, -(-max(pattern.shape, default=1) // LARGEST_SIDE))
    small = np.asarray(pattern[::step, ::step], np.float64)
    good = np.isfinite(small)
    indices = np.full(small.shape, MASKED, np.uint8)
    if not good.any():
        return indices
    values = scale(np.clip(small[good], 0, None))
    low, high = _levels(values)
    scaled = np.clip((values - low) / (high - low), 0, 1) * BRIGHTEST
    indices[good] = np.round(scaled).astype(np.uint8)
    return indices


def _levels(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low = float(values.min())
    high = float(np.percentile(values, TOP_PERCENT))
    if high <= low:
        high = float(values.max())
    return low, high if high > low else low + 1.0
