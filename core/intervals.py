"""Intervals of shares, wherever one is shown; light, for the windows use it too.

All are Wilson's: inside 0 to 1, and of some width for any finite number of shots.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

T_95 = (12.7062, 4.3027, 3.1824, 2.7764)
"""The same of Student's t with 1, 2, 3 and 4 degrees of freedom."""


def wilson_interval(
    count: npt.ArrayLike, total: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the 95 % score interval of a rate, as fractions of one.

    Finite and inside 0 to 1 for any count of at least one shot, also for none of
    n and for n of n; NaN where there is no shot.

    Parameters
    ----------
    count, total : (...) int64 or float64
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


def t_quantile(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's t distribution, within 0.2 %.

    Parameters
    ----------
    freedom : int
        Degrees of freedom, at least one.

    References
    ----------
    M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom <= len(T_95):
        return T_95[freedom - 1]
    z = Z_95
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def variance_of_mean(values: npt.ArrayLike) -> float:
    """Return the variance of the mean of some values, larger where they are few.

    The sample variance over their number, times the square of Student's quantile over
    the normal one: so that an interval of normal theory may be made of it. 0 of one
    value alone, which says nothing of it.
    """
    found = np.asarray(values, np.float64)
    if found.size < 2:
        return 0.0
    factor = t_quantile(found.size - 1) / Z_95
    return float(factor**2 * found.var(ddof=1) / found.size)


def mean_interval(values: npt.ArrayLike, shots: float) -> tuple[float, float]:
    """Return the 95 % interval of a share, as its mean over independent samples.

    Wilson's, with the number of independent shots that would scatter as the mean does;
    so it stays inside 0 to 1. Samples that agree better than their shots would let
    them are taken for one sample of all these shots, for never is it of no width.

    Parameters
    ----------
    values : (k,) float
        Share of every sample, 0 to 1; two or more.
    shots : float
        In all samples.

    References
    ----------
    E. L. Korn and B. I. Graubard, Survey Methodology 24, 193 (1998): effective number
    and degrees of freedom; N. Dean and M. Pagano, J. Surv. Stat. Methodol. 3, 484
    (2015): with Wilson's interval.
    """
    found = np.asarray(values, np.float64)
    mean = float(found.mean())
    factor = (t_quantile(found.size - 1) / Z_95) ** 2
    least = factor * mean * (1 - mean) / shots
    return _wilson(mean, max(variance_of_mean(found), least), shots / factor)


def shots_interval(draws: npt.ArrayLike, shots: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of the same shots, as its mean over draws.

    The variance over shots and that over draws are added up. Of one draw it is
    Wilson's.

    Parameters
    ----------
    draws : (k,) float
        Share found in every draw, 0 to 1.
    shots : float
        In one draw.
    """
    found = np.asarray(draws, np.float64)
    mean = float(found.mean())
    variance = mean * (1 - mean) / shots + variance_of_mean(found)
    return _wilson(mean, variance, shots)


def _wilson(mean: float, variance: float, most: float) -> tuple[float, float]:
    """Return Wilson's interval with as many shots as have this variance."""
    shots = min(mean * (1 - mean) / variance, most) if variance > 0 else most
    low, high = wilson_interval(mean * shots, shots)
    return float(low), float(high)
