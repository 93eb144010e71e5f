"""Intervals of counted rates; light, for the windows use it too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(
    count: npt.ArrayLike, total: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the 95 % score interval of a rate, as fractions of one.

    Finite and inside 0 to 1 for any count of at least one shot, also for none of
    n and for n of n; NaN where there is no shot.

    Parameters
    ----------
    count, total : (...) int64
        Shots of the class and shots in all; broadcast against each other.

    Returns
    -------
    low, high : (...) float64

    References
    ----------
    E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    n = np.asarray(total, np.float64)
    n = np.where(n > 0, n, np.nan)
    share = np.asarray(count, np.float64) / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / scale
    low = np.where(share == 0, 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where(share == 1, 1.0, np.clip(centre + half, 0.0, 1.0))
    return low, high
