"""Intervals of counted rates and quantiles of histograms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(hits: npt.ArrayLike, shots: npt.ArrayLike) -> tuple[Floats, Floats]:
    """95 % score interval of a rate, as fractions of one.

    Finite and inside 0 to 1 for any count of at least one shot, also for none of
    n and for n of n; NaN where there is no shot.

    Parameters
    ----------
    hits, shots : (...) int64
        Shots of the class and shots in all; broadcast against each other.

    References
    ----------
    E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    n = np.asarray(shots, np.float64)
    n = np.where(n > 0, n, np.nan)
    share = np.asarray(hits, np.float64) / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / scale
    low = np.where(share == 0, 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where(share == 1, 1.0, np.clip(centre + half, 0.0, 1.0))
    return low, high


def histogram_quantiles(
    edges: Floats, counts: Counts, wanted: tuple[float, ...]
) -> tuple[float, ...]:
    """Quantiles of what a histogram counted, in the unit of its edges.

    Values are taken as evenly spread inside their bin; an open last bin answers
    with its lower edge, an empty histogram with NaN.

    Parameters
    ----------
    edges : (bins + 1,) float64
    counts : (bins,) int64
    wanted : tuple of float
        Fractions, 0 to 1.
    """
    total = int(counts.sum())
    if total <= 0:
        return tuple(float("nan") for _ in wanted)
    reached = np.cumsum(counts)
    return tuple(_quantile(edges, counts, reached, q * total) for q in wanted)


def _quantile(edges: Floats, counts: Counts, reached: Counts, target: float) -> float:
    place = min(int(np.searchsorted(reached, target)), len(counts) - 1)
    low, high = float(edges[place]), float(edges[place + 1])
    if not np.isfinite(high):
        return low
    before = float(reached[place] - counts[place])
    share = (target - before) / max(float(counts[place]), 1.0)
    return low + (high - low) * min(max(share, 0.0), 1.0)
