"""Quantiles of histograms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


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
