"""Pixels of the crop that do not see what their neighbours see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.preprocess import Preprocessor
from specklenn.core.survey.run_sample import RunSample

TELLING_PHOTONS = 25.0
"""Of the neighbours together: fewer, and a pixel may be dark by chance."""

FACTOR = 10.0
"""So many times less or more than the neighbours is dead or hot."""

OFTEN = 0.2
"""Share of the shots in which a hot pixel is lit; a cosmic ray is there once."""

Pixels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class OddPixels:
    """Good pixels of the crop that are none.

    Parameters
    ----------
    dead, hot, stuck : (n, 2) int64
        Rows and columns in the frame: of pixels that see at most a tenth of their
        neighbours' light, that see ten times as much again and again, and that had
        the same value, not 0, in every shot.
    """

    dead: Pixels
    hot: Pixels
    stuck: Pixels


def find_odd_pixels(sample: RunSample, preprocessor: Preprocessor) -> OddPixels:
    """Compare every good pixel of the crop with the eight around it."""
    window = preprocessor.window
    good = ~preprocessor.mask[window]
    total = np.where(good, sample.total[window], np.nan)
    around = _median_around(total)
    lowest, highest = sample.lowest[window], sample.highest[window]
    stuck = good & (lowest == highest) & (highest != 0) & (sample.used > 1)
    dead = (total < around / FACTOR) & (around >= TELLING_PHOTONS)
    often = sample.lit_shots[window] >= OFTEN * max(sample.used, 1)
    hot = (total > FACTOR * around + TELLING_PHOTONS) & often
    return OddPixels(
        dead=_places(good & dead & ~stuck, preprocessor),
        hot=_places(good & hot & ~stuck, preprocessor),
        stuck=_places(stuck, preprocessor),
    )


def masked_lines(preprocessor: Preprocessor) -> tuple[list[str], list[str]]:
    """Return the ranges of rows and of columns of the crop without any good pixel.

    As words, ``190-193``, in pixels of the frame.
    """
    mask = preprocessor.mask[preprocessor.window]
    rows, columns = (part.start for part in preprocessor.window)
    return (
        [*_ranges(np.asarray(mask.all(axis=1)), rows)],
        [*_ranges(np.asarray(mask.all(axis=0)), columns)],
    )


def _median_around(total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the median of the good ones of the eight neighbours; NaN below four."""
    padded = np.pad(total, 1, constant_values=np.nan)
    height, width = total.shape
    neighbours = np.stack(
        [
            padded[row : row + height, column : column + width]
            for row in range(3)
            for column in range(3)
            if (row, column) != (1, 1)
        ]
    )
    neighbours.sort(axis=0)  # NaN last
    number = np.isfinite(neighbours).sum(axis=0)
    middle = np.maximum((number - 1) // 2, 0)
    median: npt.NDArray[np.float64] = np.take_along_axis(neighbours, middle[None], 0)[0]
    return np.where(number >= 4, median, np.nan)


def _places(found: Mask, preprocessor: Preprocessor) -> Pixels:
    first = [part.start for part in preprocessor.window]
    places: Pixels = np.argwhere(found) + np.array(first)
    return places


def _ranges(found: Mask, first: int) -> Iterator[str]:
    edges = np.flatnonzero(np.diff(found.astype(np.int8), prepend=0, append=0))
    for start, stop in (edges.reshape(-1, 2) + first).tolist():
        yield str(start) if stop == start + 1 else f"{start}-{stop - 1}"
