"""How many lit pixels no-hits have, and which number of them makes a hit.

No-hits are the lowest peak in the histogram of lit pixels, taken on the scale
2 sqrt(n + 3/8), on which counts are equally wide everywhere (Anscombe 1948, Biometrika
35, 246). Up to the valley on the right of the peak a negative binomial distribution,
cut off there, is fitted: counts of a background that varies. Its tail says how many
no-hits a threshold takes for hits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FALSE_HITS = 1e-3
"""Share of the no-hits that the proposed threshold takes for hits."""

FEWEST_NO_HITS = 16

WIDTHS = (1.0, 2.0)
"""Of the kernel with which the peak is looked for, on the scale of the square root."""

VALLEY = 0.4
"""Share of the peak's height to which the histogram must fall on its right."""

FOOT = 0.05
"""Share of the peak's height at which it ends."""

DISPERSIONS = np.geomspace(1.01, 6, 18)
"""Variance over mean of the counts that are tried; 1 is Poisson's. The largest is that
of hits, which vary more than a background, or of both where they overlap.
"""

Lit = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NoHits:
    """Lit pixels of the shots without a hit.

    Parameters
    ----------
    mean : float
    dispersion : float
        Variance over mean; 1 for a steady background.
    """

    mean: float
    dispersion: float

    @property
    def threshold(self) -> int:
        """Lit pixels that all but `FALSE_HITS` of the no-hits stay below."""
        deviation = math.sqrt(self.mean * self.dispersion)
        most = int(self.mean + 20 * deviation + 20 * self.dispersion + 20)
        above = 1 - np.cumsum(self._chances(most))
        return int(np.argmax(above <= FALSE_HITS)) + 1

    def false_hits(self, minimum: int) -> float:
        """Return the share of the no-hits with so many lit pixels or more."""
        return max(0.0, 1 - float(self._chances(minimum - 1).sum()))

    def minimum_lit_pixels(self, live_share: float) -> int:
        """Return the setting, for a whole crop, that gives this threshold on a part."""
        return math.ceil(self.threshold / live_share)

    def _chances(self, most: int) -> Numbers:
        return np.asarray(np.exp(_log_chances(self.mean, self.dispersion, most)))


def find_no_hits(lit: Lit) -> NoHits | None:
    """Return the no-hits among shots by their lit pixels (n,); None without any."""
    if len(lit) < FEWEST_NO_HITS:
        return None
    for width in WIDTHS:
        valley = _valley(lit, width)
        if valley is not None:
            found = _fit(lit[lit <= valley], valley)
            return None if found.dispersion == DISPERSIONS[-1] else found
    return None


def _valley(lit: Lit, width: float) -> int | None:
    """Return up to how many lit pixels the lowest peak reaches; None without one."""
    scaled = np.sort(2 * np.sqrt(lit + 0.375))
    places = np.arange(scaled[0], scaled[-1] + 6 * width, width / 4)
    away = (places[:, None] - scaled) / width
    density = np.exp(-0.5 * away**2).sum(axis=1)
    at = _foot_of_lowest_peak(density, np.searchsorted(scaled, places))
    if at is None:
        return None
    peak = int(density[:at].argmax())
    below, beyond = np.searchsorted(scaled, (places[at], 2 * places[at] - places[peak]))
    between = beyond - below
    if below - 2 * between < 2 * math.sqrt(below + 4 * between):
        return None  # the shots that follow are hardly fewer: no peak
    return int((places[at] / 2) ** 2)


def _foot_of_lowest_peak(density: Numbers, below: npt.NDArray[np.int64]) -> int | None:
    """Return where the lowest peak with enough shots ends, on its right.

    Parameters
    ----------
    density : (n,) float64
        Density of the shots at some places.
    below : (n,) int64
        Shots below each.
    """
    peak = 0
    for at, height in enumerate(density):
        if height > density[peak] or below[at] < FEWEST_NO_HITS:
            peak = at
        elif height < VALLEY * density[peak]:
            on = density[at:]
            ends = (np.diff(on, append=math.inf) >= 0) | (on < FOOT * density[peak])
            return at + int(ends.argmax())
    return None


def _fit(lit: Lit, most: int) -> NoHits:
    """Fit counts of at most so many, by maximum likelihood.

    What varies less is preferred where the counts are too few to tell.
    """
    number = np.bincount(lit, minlength=most + 1)
    middle = max(float(lit.mean()), 0.02)
    best, found = -math.inf, NoHits(mean=middle, dispersion=float(DISPERSIONS[0]))
    for mean in middle * np.geomspace(0.7, 1.4, 40):
        for dispersion in DISPERSIONS:
            chances = _log_chances(float(mean), float(dispersion), most)
            inside = math.log(max(float(np.exp(chances).sum()), 1e-300))
            likelihood = float(number @ chances) - len(lit) * inside
            likelihood -= math.log(dispersion)
            if likelihood > best:
                best = likelihood
                found = NoHits(mean=float(mean), dispersion=float(dispersion))
    return found


def _log_chances(mean: float, dispersion: float, most: int) -> Numbers:
    """Return the logarithms of the chances of 0 to so many: negative binomial."""
    excess = dispersion - 1
    size = mean / excess
    counts = np.arange(1, most + 1)
    steps = np.log((counts - 1 + size) / counts) + math.log(excess / (1 + excess))
    return np.concatenate(([0.0], np.cumsum(steps))) - size * math.log1p(excess)
