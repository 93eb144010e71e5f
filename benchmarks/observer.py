"""What an observer who knows the structure could tell from photons.

Bayes' rule says single-hit where p(photons | single) > p(photons | multi). Each of
the two is the mean, over noise-free patterns drawn from the simulator (templates),
of a Poisson likelihood whose fluence jitter is integrated out. No classifier of the
same photons does better on average than this rule with infinitely many templates.

With few templates and many photons even the nearest template is far from a query,
and the mean says little. Two figures stay on either side of the ideal accuracy:
`rule_accuracy`, as the rule is a classifier itself, and `accuracy_limit`. A smoother
rule gets closer from below: `Queries.log_likelihoods` takes templates drawn towards
their mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from specklenn.core.simulation.noise import Noise

Floats = npt.NDArray[np.float64]
Pictures = npt.NDArray[np.float32]

LEAST_PHOTONS = 1e-12
"""A template is nowhere darker, so that its logarithm is finite."""

LARGEST_CHANGE = 40.0
"""Between the total of a template and the total of the reference."""

TABLE_POINTS = 1500


def log_jitter_mean(
    photons: npt.ArrayLike, expected: npt.ArrayLike, noise: Noise
) -> Floats:
    """Return log of the mean of j^n exp(-j t) over the jitter j of the fluence.

    Parameters
    ----------
    photons : (...) array
        n, counted.
    expected : (...) array
        t, at the mean fluence, above 0; broadcast against ``photons``.
    noise : Noise
        Its jitter is a gamma distribution of mean 1, clipped: both ends of the
        limits have a chance of their own.

    Returns
    -------
    (...) float64
    """
    n, t = np.asarray(photons, np.float64), np.asarray(expected, np.float64)
    shape = noise.jitter_shape
    if shape == 0:
        return np.broadcast_to(-t, np.broadcast(n, t).shape).copy()
    low, high = noise.jitter_limits
    gamma = stats.gamma(shape, scale=1 / shape)
    at_low = gamma.logcdf(low) + special.xlogy(n, low) - low * t
    at_high = gamma.logsf(high) + special.xlogy(n, high) - high * t
    # The product of the two is a gamma distribution again, cut off at the limits.
    between = shape * np.log(shape) - special.gammaln(shape)
    between = between + special.gammaln(n + shape) - (n + shape) * np.log(t + shape)
    between += _log_chance_between(n + shape, low * (t + shape), high * (t + shape))
    mean: Floats = np.logaddexp(np.logaddexp(at_low, at_high), between)
    return mean


def _log_chance_between(shape: Floats, low: Floats, high: Floats) -> Floats:
    """Return log of P(low < x < high) for a gamma distribution of scale 1."""
    # The smaller tails: the difference of two numbers close to 1 says nothing.
    upper = special.gammaincc(shape, low) - special.gammaincc(shape, high)
    lower = special.gammainc(shape, high) - special.gammainc(shape, low)
    with np.errstate(divide="ignore"):
        chance: Floats = np.log(np.where(low > shape, upper, lower))
    return chance


class Queries:
    """Counted photons whose likelihood is asked for, template by template.

    Parameters
    ----------
    counts : (Q, P) array of whole numbers
        Photons in each pixel; bad pixels are left out.
    fluences : (Q,) array
        Mean fluence of each query in units of that of the templates.
    reference : (P,) array, photons per pixel
        Any pattern like the templates, such as their mean; above 0.
    noise : Noise
        Says how the fluence jitters; photons are counted without read noise.
    """

    def __init__(
        self,
        counts: npt.NDArray[np.integer],
        fluences: npt.ArrayLike,
        reference: npt.NDArray[np.floating],
        noise: Noise,
    ) -> None:
        self._counts = counts.astype(np.float32)
        self._photons = counts.sum(axis=1, dtype=np.float64)
        self._reference = reference.astype(np.float64)
        self._log_reference = np.log(self._reference).astype(np.float32)
        half = np.log(LARGEST_CHANGE)
        self._changes = np.linspace(-half, half, TABLE_POINTS)
        totals = self._reference.sum() * np.exp(self._changes)
        expected = np.multiply.outer(np.asarray(fluences, np.float64), totals)
        table = log_jitter_mean(self._photons[:, None], expected, noise)
        of_middle = [np.interp(0.0, self._changes, row) for row in table]
        self._of_middle = np.array(of_middle)
        table -= self._of_middle[:, None]
        self._table = table.astype(np.float32)

    @property
    def of_reference(self) -> Floats:
        """Log p(photons | reference), up to a constant that every reference has.

        (Q,) float64. Added to `log_likelihoods`, it makes those of different references
        comparable.
        """
        likelihoods: Floats = self._counts @ np.log(self._reference) + self._of_middle
        return likelihoods

    def log_likelihoods(
        self, templates: npt.NDArray[np.floating], sharpness: Sequence[float] = (1.0,)
    ) -> Pictures:
        """Return log p(photons | template), up to a constant of each query.

        Parameters
        ----------
        templates : (M, P) array, photons per pixel at fluence 1
        sharpness : sequence of float
            1 takes the templates as they are, 0 the reference, in between the
            geometric mean of both with this weight; the total stays the template's.

        Returns
        -------
        (len(sharpness), Q, M) float32

        Raises
        ------
        ValueError
            If the total of a template is over 40 times the reference's, or under a
            40th of it.
        """
        positive = np.maximum(templates, LEAST_PHOTONS).astype(np.float32)
        totals = positive.sum(axis=1, dtype=np.float64)
        contrast = np.log(positive) - self._log_reference
        sums = self._counts @ contrast.T
        of_total = self._of_total(totals)
        found = np.empty((len(sharpness), *sums.shape), np.float32)
        for number, share in enumerate(sharpness):
            # float32: exponentials of whole pictures are what this costs.
            drawn = np.exp(np.float32(share) * contrast) @ self._reference
            scale = np.log(totals / drawn)
            found[number] = np.float32(share) * sums + of_total
            found[number] += np.multiply.outer(self._photons, scale)
        return found

    def _of_total(self, totals: Floats) -> Pictures:
        """Interpolate what depends on the total of a template only, (Q, M)."""
        changes = np.log(totals / self._reference.sum())
        if np.abs(changes).max() > self._changes[-1]:
            raise ValueError(
                f"total of a template {np.exp(changes).min():.2g} to "
                f"{np.exp(changes).max():.2g} times the reference's, expected "
                f"{1 / LARGEST_CHANGE} to {LARGEST_CHANGE}"
            )
        places = np.interp(changes, self._changes, np.arange(TABLE_POINTS))
        below = np.minimum(places.astype(np.int64), TABLE_POINTS - 2)
        weights = (places - below).astype(np.float32)
        lower, upper = self._table[:, below], self._table[:, below + 1]
        found: Pictures = lower + weights * (upper - lower)
        return found


class LogMean:
    """Logarithm of a mean of exponentials, over all values given so far."""

    def __init__(self) -> None:
        self._largest: Floats | None = None
        self._sum: Floats = np.zeros(())
        self._number = 0

    def add(self, logarithms: npt.NDArray[np.floating]) -> None:
        """Take in (..., n) logarithms; the other axes stay."""
        largest = logarithms.max(axis=-1)
        if self._largest is None:
            self._largest = np.full(largest.shape, -np.inf)
            self._sum = np.zeros(largest.shape)
        new = np.maximum(self._largest, largest)
        added = np.exp(logarithms - new[..., None].astype(logarithms.dtype))
        self._sum = self._sum * np.exp(self._largest - new)
        self._sum += added.sum(axis=-1, dtype=np.float64)
        self._largest = new
        self._number += logarithms.shape[-1]

    @property
    def value(self) -> Floats:
        """Logarithm of the mean, (...) float64.

        Raises
        ------
        ValueError
            If nothing was taken in.
        """
        if self._largest is None:
            raise ValueError("the mean of no logarithms; add some first")
        found: Floats = self._largest + np.log(self._sum / self._number)
        return found


def learned_ratio(supports: Floats, singles: Floats, multis: Floats) -> Floats:
    """Return the log ratio for an observer who learns from supports what the sample is.

    All he knows before is that the sample is one of L, each as probable. The supports
    say how probable each is then, and p(photons | class) is the mean over them.

    Parameters
    ----------
    supports : (L, S) float64
        log p(photons of a support | its class, sample). -inf in all supports of a
        sample says that it is not there.
    singles, multis : (L, Q) float64
        log p(photons of a query | single or multi, sample).

    Returns
    -------
    (Q,) float64
        log p(single) - log p(multi).
    """
    belief = supports.sum(axis=1)[:, None]
    ratio: Floats = special.logsumexp(belief + singles, axis=0) - special.logsumexp(
        belief + multis, axis=0
    )
    return ratio


def rule_accuracy(of_singles: Floats, of_multis: Floats) -> Floats:
    """Return the accuracy of deciding by the sign of log p(single) - log p(multi).

    Of any rule, so it is at most the ideal one, but for the choice of queries.

    Parameters
    ----------
    of_singles, of_multis : (..., Q) float64
        The log ratio of single-hits and of multi-hits. 0 counts as half right.

    Returns
    -------
    (...) float64
    """
    singles = np.heaviside(of_singles, 0.5).mean(axis=-1)
    multis = np.heaviside(-of_multis, 0.5).mean(axis=-1)
    accuracy: Floats = (singles + multis) / 2
    return accuracy


def accuracy_limit(of_singles: Floats) -> Floats:
    """Return an upper limit of the ideal accuracy from single-hits alone.

    The ideal error is half the integral of min(p(single), p(multi)), which is half
    the mean of min(1, p(multi) / p(single)) over single-hits. Too few templates of
    multi-hits make that mean too small (Jensen's inequality), so the accuracy too
    high, on average; p(single) must have converged.

    Parameters
    ----------
    of_singles : (..., Q) float64
        log p(single) - log p(multi) of single-hits.

    Returns
    -------
    (...) float64
    """
    limit: Floats = 1 - np.exp(np.minimum(0.0, -of_singles)).mean(axis=-1) / 2
    return limit
