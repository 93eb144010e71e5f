"""What some pixels have read in some shots, as the detector gives it.

Pixels are taken in pairs of neighbours, which expect nearly the same light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.preprocess import LARGEST_PHOTONS

MOST_PAIRS = 2048

FEWEST_SHOTS = 16
"""Of which pedestals can be told."""

DARK_SHARE = 20
"""Percentile of the widths that pixels and shots without light certainly have."""

NORMAL_QUARTILES = 1.349
"""Distance of the quartiles of a normal distribution of width 1."""

WIDER = 1.3
"""So many times wider, and there is light on a quarter of the pixels."""

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]


class PixelValues:
    """Values of pairs of pixels, gathered frame by frame.

    Parameters
    ----------
    bad : (H, W) bool
        Pixels that are left out.
    """

    def __init__(self, bad: Mask) -> None:
        pairs = ~bad[:, :-1] & ~bad[:, 1:]
        pairs[:, 1::2] = False
        left = np.flatnonzero(np.pad(pairs, ((0, 0), (0, 1))))
        number = min(len(left), MOST_PAIRS)
        left = left[np.linspace(0, max(len(left) - 1, 0), number).astype(np.int64)]
        self._pixels = np.stack((left, left + 1), axis=1)
        self._gathered: list[Values] = []
        self.whole_numbers = True

    def add(self, frame: npt.NDArray[Any], bad: Mask | None = None) -> None:
        """Take the values of a frame (H, W), but those bad in this frame alone."""
        taken = frame.reshape(-1)[self._pixels]
        values = taken.astype(np.float32)
        if taken.dtype.kind in "iu":
            values[taken == np.iinfo(taken.dtype).max] = np.nan  # saturated
        else:
            self.whole_numbers = False
        if bad is not None:
            values[bad.reshape(-1)[self._pixels]] = np.nan
        values[~(np.abs(values) <= LARGEST_PHOTONS)] = np.nan
        self._gathered.append(values)

    def values(self) -> Values:
        """Return (shots, pairs, 2) float32, in the detector's units.

        Pixels that always read the same, or seldom a number, are left out; what is
        bad in a shot alone is given the pixel's median.
        """
        if not self._gathered:
            return np.empty((0, 0, 2), np.float32)
        values = np.stack(self._gathered)
        known = np.isfinite(values)
        lowest = np.where(known, values, np.inf).min(axis=0)
        highest = np.where(known, values, -np.inf).max(axis=0)
        alive = ((highest > lowest) & (known.mean(axis=0) > 0.5)).all(axis=1)
        values, known = values[:, alive], known[:, alive]
        some = ~known.all(axis=(0, 2))
        filled = np.nanmedian(values[:, some], axis=0)
        values[:, some] = np.where(known[:, some], values[:, some], filled)
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """Values without the pedestal of their pixel and the common mode of their shot.

    Parameters
    ----------
    values : (n, pairs, 2) float32
        Of shots with little light, in the detector's units.
    light : (m, pairs, 2) float32
        Of all shots, with their common mode: it cannot be told from light.
    pedestals : (pairs, 2) float32
    width : float
        Standard deviation of the middle half, if it were a normal distribution's.
    """

    values: Values
    light: Values
    pedestals: Values
    width: float


def residuals_of(values: Values) -> Residuals | None:
    """Take away pedestals and common mode; None where no shots and pixels are dark.

    Parameters
    ----------
    values : (shots, pairs, 2) float32
    """
    if len(values) < FEWEST_SHOTS or values.shape[1] < 2:
        return None
    level = _quartiles(values - _median(values, 0), (1, 2))
    values = values[np.argsort(level)]  # so that both halves have the same light
    dark = _dark(_quartiles(values - _median(values, 0), (1, 2)))
    if dark.sum() < FEWEST_SHOTS:
        dark = np.arange(len(values)) < FEWEST_SHOTS
    common = _median(values - _median(values[dark], 0), (1, 2))
    raw, values = values, values - common[:, None, None]
    widths = _quartiles(values[dark], 0).max(axis=1)
    raw, values = raw[:, _dark(widths)], values[:, _dark(widths)]
    width = float(np.median(_quartiles(values[dark], 0))) / NORMAL_QUARTILES
    # The pedestals of one half of the shots are taken off the other: no value is
    # compared with itself.
    found = np.empty_like(values)
    for half in (0, 1):
        others = values[1 - half :: 2][dark[1 - half :: 2]]
        found[half::2] = values[half::2] - _middle(others, 0, width)
    found -= _middle(found, (1, 2), width)[:, None, None]
    weak = _dark(_quartiles(found, (1, 2)))
    pedestals = _middle(values[dark], 0, width) + np.median(common[dark])
    width = float(np.median(_quartiles(found[weak], (1, 2)))) / NORMAL_QUARTILES
    return Residuals(
        values=found[weak], light=raw - pedestals, pedestals=pedestals, width=width
    )


def _middle(values: Values, axis: int | tuple[int, ...], width: float) -> Values:
    """Return the means of what is no farther than 1.5 widths away: without photons."""
    middle = np.expand_dims(_median(values, axis), axis)
    for _ in range(3):
        near = np.abs(values - middle) <= np.float32(1.5 * width)
        total = np.where(near, values, np.float32(0)).sum(axis, keepdims=True)
        number = near.sum(axis, keepdims=True)
        middle = np.where(number > 0, total / np.maximum(number, 1), middle)
    return np.asarray(middle.squeeze(axis), np.float32)


def _dark(widths: npt.NDArray[np.floating[Any]]) -> Mask:
    limit: float = WIDER * float(np.percentile(widths, DARK_SHARE))
    return np.asarray(widths <= limit)


def _median(values: Values, axis: int | tuple[int, ...]) -> Values:
    return np.asarray(np.median(values, axis=axis), np.float32)


def _quartiles(values: Values, axis: int | tuple[int, ...]) -> Values:
    """Return the distance of the quartiles."""
    low, high = np.percentile(values, (25, 75), axis=axis)
    return np.asarray(high - low, np.float32)
