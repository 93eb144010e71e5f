"""Accuracy and F1 of a draw, of a sample and, with intervals, of all samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.few_shot import Indices
from specklenn.core.intervals import mean_interval, shots_interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """How well the queries of one draw, or of all draws of one sample, were classified.

    Parameters
    ----------
    accuracy : float
        Share of queries with the right label.
    f1 : float
        Harmonic mean of precision and recall of the first class.
    precision, recall : float
        Of the first class; precision is 0 where nothing was taken for it.
    confusion : (classes, classes) int64
        Queries by their true class (rows) and the one found (columns), all draws
        together.
    draws : tuple of Score
        Of a sample: those of its draws.
    """

    accuracy: float
    f1: float
    precision: float
    recall: float
    confusion: Indices
    draws: tuple[Score, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over samples.

    Parameters
    ----------
    mean : float
    low, high : float
        Ends of its 95 % interval, over samples; of one sample alone over its shots and
        draws. Inside 0 to 1 and never of no width, see `specklenn.core.intervals`.
    """

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """Its interval as text.

        >>> Estimate(mean=0.95, low=0.9, high=1.0).interval
        '0.900 to 1.000'
        """
        return f"{self.low:.3f} to {self.high:.3f}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreSummary:
    """Means over samples at one number of supports.

    Parameters
    ----------
    accuracy, f1 : Estimate
        F1, precision and recall are those of the first class.
    precision, recall : float
    confusion : dict of str to dict of str to float
        For every true class the share of its queries that was taken for each.
    per_sample : dict of str to Score
    """

    accuracy: Estimate
    f1: Estimate
    precision: float
    recall: float
    confusion: Mapping[str, Mapping[str, float]]
    per_sample: Mapping[str, Score]


def score_labels(true: Indices, found: Indices, n_classes: int) -> Score:
    """Score labels that were found; class 0 is the one whose F1 counts.

    Parameters
    ----------
    true, found : (Q,) int64
        Numbers of classes.
    n_classes : int
    """
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (true, found), 1)
    return score_confusion(confusion)


def score_confusion(confusion: Indices) -> Score:
    """Score a confusion matrix; class 0 is the one whose F1 counts.

    Parameters
    ----------
    confusion : (classes, classes) int64
        Queries by their true class (rows) and the one found (columns).
    """
    both = int(confusion[0, 0])
    of_class, taken_for_it = int(confusion[0].sum()), int(confusion[:, 0].sum())
    return Score(
        accuracy=float(np.trace(confusion) / confusion.sum()),
        f1=2 * both / (of_class + taken_for_it),
        precision=both / taken_for_it if taken_for_it else 0.0,
        recall=both / of_class,
        confusion=confusion,
    )


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the score of one sample, given that of each of its draws."""
    return Score(
        accuracy=float(np.mean([score.accuracy for score in scores])),
        f1=float(np.mean([score.f1 for score in scores])),
        precision=float(np.mean([score.precision for score in scores])),
        recall=float(np.mean([score.recall for score in scores])),
        confusion=np.sum([score.confusion for score in scores], axis=0),
        draws=tuple(scores),
    )


def summarise(per_sample: Mapping[str, Score], classes: Sequence[str]) -> ScoreSummary:
    """Average over samples."""
    scores = list(per_sample.values())
    several = len(scores) > 1
    return ScoreSummary(
        accuracy=_over_samples([score.accuracy for score in scores], scores)
        if several
        else _accuracy_of(scores[0]),
        f1=_over_samples([score.f1 for score in scores], scores)
        if several
        else _f1_of(scores[0]),
        precision=float(np.mean([score.precision for score in scores])),
        recall=float(np.mean([score.recall for score in scores])),
        confusion=_shares(np.sum([one.confusion for one in scores], axis=0), classes),
        per_sample=per_sample,
    )


def _over_samples(values: list[float], scores: Sequence[Score]) -> Estimate:
    shots = sum(one.confusion.sum() / len(_draws(one)) for one in scores)
    low, high = mean_interval(values, shots)
    return Estimate(mean=float(np.mean(values)), low=low, high=high)


def _accuracy_of(sample: Score) -> Estimate:
    """Return the accuracy of one sample, over shots and draws."""
    draws = _draws(sample)
    shots = float(np.mean([one.confusion.sum() for one in draws]))
    low, high = shots_interval([one.accuracy for one in draws], shots)
    return Estimate(mean=sample.accuracy, low=low, high=high)


def _f1_of(sample: Score) -> Estimate:
    """Return F1 of one sample, over shots and draws.

    F1 / (2 - F1) is a share: of the shots that are of the first class or were taken
    for it, those that are both.

    References
    ----------
    K. F. Y. Lam, V. Gopal and J. Qian, arXiv:2309.14621: "Wilson indirect".
    """
    draws = _draws(sample)
    either = [one.confusion[0].sum() + one.confusion[1:, 0].sum() for one in draws]
    shares = [one.f1 / (2 - one.f1) for one in draws]
    ends = shots_interval(shares, float(np.mean(either)))
    low, high = (2 * share / (1 + share) for share in ends)
    # The mean of F1 is not quite F1 of the mean share.
    return Estimate(mean=sample.f1, low=min(low, sample.f1), high=max(high, sample.f1))


def _draws(sample: Score) -> tuple[Score, ...]:
    """Return the scores of the draws; a score that has none is that of one."""
    return sample.draws or (sample,)


def _shares(
    confusion: npt.NDArray[np.int64], classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Turn counts into shares of each true class."""
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    return {
        true: dict(zip(classes, row, strict=True))
        for true, row in zip(classes, shares.tolist(), strict=True)
    }
