"""Every labelled shot is classified by a model that has not seen it.

Labels are few, so none is set aside: they are dealt out to folds, and each fold is
classified by what was fitted to the others. Of several candidates the simplest is
chosen, unless a more complex one is better by more than chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.calibration import (
    LEAST_SCORE,
    Reliability,
    reliability,
)
from specklenn.core.heads.head import ClassScores, Codes
from specklenn.core.intervals import wilson_interval

ACCEPTED = 0.95
"""Share of shots that the suggested limit of distance lets pass."""

ScoreRows = Callable[[Codes], ClassScores]
"""Rows of labelled shots to their scores."""

FitRows = Callable[[Codes], ScoreRows]
"""Rows of labelled shots to what scores other rows of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossFitted:
    """How labelled shots are classified by what was fitted to others of them.

    Parameters
    ----------
    found : ClassScores
        Of N shots.
    codes : (N,) int64
        The right classes.
    """

    found: ClassScores
    codes: Codes

    @property
    def accuracy(self) -> float:
        """Share of right labels."""
        return float((self.found.scores.argmax(axis=1) == self.codes).mean())

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Negative logarithm of the right class's score of every shot, (N,) nats."""
        right = self.found.scores[np.arange(len(self.codes)), self.codes]
        return -np.log(np.maximum(right.astype(np.float64), LEAST_SCORE))

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % interval of `accuracy` over these shots."""
        shots = len(self.codes)
        low, high = wilson_interval(self.accuracy * shots, shots)
        return float(low), float(high)

    @property
    def log_loss(self) -> float:
        """Mean of `losses`, nats."""
        return float(self.losses.mean())

    @property
    def reliability(self) -> Reliability:
        """How often scores of some height are right."""
        return reliability(self.found.scores, self.codes)

    @property
    def suggested_reject_above_distance(self) -> float:
        """Quantile `ACCEPTED` of the distances to the nearest class."""
        return float(np.quantile(self.found.distances.min(axis=1), ACCEPTED))


@dataclass(frozen=True)
class Improvement:
    """By how much log loss falls from one candidate to another.

    Parameters
    ----------
    mean, standard_error : float
        Of the paired difference over the shots, nats; positive if the other is better.
    """

    mean: float
    standard_error: float

    @property
    def counts(self) -> bool:
        """Whether it is more than chance would make of two that are alike."""
        return self.mean > self.standard_error

    @property
    def words(self) -> str:
        """By how much, and how sure that is."""
        way = "lower" if self.mean > 0 else "higher"
        return (
            f"{abs(self.mean):.3f} nats {way}, standard error {self.standard_error:.3f}"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate and the one that was kept before it, by their numbers."""

    candidate: int
    kept: int
    gain: Improvement


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which candidate is kept, by its number, and all that led to it."""

    kept: int
    compared: tuple[Comparison, ...]


def stratified_folds(codes: Codes, number: int, random: np.random.Generator) -> Codes:
    """Deal labelled shots out to folds, class by class.

    Parameters
    ----------
    codes : (N,) int64
        Two shots or more of each class; so no class is in one fold alone.
    number : int
        Of folds, two or more.
    random : Generator

    Returns
    -------
    (N,) int64
        The fold of each shot, 0 to ``number`` - 1.
    """
    folds = np.empty(len(codes), np.int64)
    for code in np.unique(codes):
        rows = random.permutation(np.flatnonzero(codes == code))
        folds[rows] = np.arange(len(rows)) % number
    return folds


def cross_fit(fit: FitRows, codes: Codes, folds: Codes) -> CrossFitted:
    """Classify every fold by what was fitted to the others.

    Parameters
    ----------
    fit : function
        From rows of shots to what scores rows of others.
    codes, folds : (N,) int64
        Class and fold of each shot.
    """
    shape = len(codes), int(codes.max()) + 1
    distances, scores = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        score = fit(np.flatnonzero(folds != fold))
        distances[held], scores[held] = score(held)
    return CrossFitted(
        found=ClassScores(distances=distances, scores=scores), codes=codes
    )


def improvement(simple: CrossFitted, complex_: CrossFitted) -> Improvement:
    """Return by how much the log loss of the same shots falls."""
    gains = simple.losses - complex_.losses
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return Improvement(float(gains.mean()), error)


def choose(candidates: Sequence[CrossFitted]) -> Choice:
    """Keep the simplest candidate, unless a more complex one is better beyond chance.

    Parameters
    ----------
    candidates : sequence of CrossFitted
        Of the same shots, the simplest first. Each takes the place of the one kept so
        far if its log loss is lower by more than one standard error of the paired
        difference.
    """
    kept, compared = 0, []
    for number, candidate in enumerate(candidates[1:], start=1):
        gain = improvement(candidates[kept], candidate)
        compared.append(Comparison(candidate=number, kept=kept, gain=gain))
        kept = number if gain.counts else kept
    return Choice(kept=kept, compared=tuple(compared))
