"""Accuracy and F1 of a draw, of a sample and, with intervals, of all samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.few_shot import Indices

NORMAL_95 = 1.96


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
    """

    accuracy: float
    f1: float
    precision: float
    recall: float
    confusion: Indices


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over samples.

    Parameters
    ----------
    mean : float
    low, high : float
        Ends of its 95 % interval over samples; of one sample the value itself.
    """

    mean: float
    low: float
    high: float


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
    )


def summarise(per_sample: Mapping[str, Score], classes: Sequence[str]) -> ScoreSummary:
    """Average over samples."""
    scores = list(per_sample.values())
    return ScoreSummary(
        accuracy=_estimate([score.accuracy for score in scores]),
        f1=_estimate([score.f1 for score in scores]),
        precision=float(np.mean([score.precision for score in scores])),
        recall=float(np.mean([score.recall for score in scores])),
        confusion=_shares(np.sum([one.confusion for one in scores], axis=0), classes),
        per_sample=per_sample,
    )


def _estimate(values: list[float]) -> Estimate:
    mean = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = NORMAL_95 * spread / float(np.sqrt(len(values)))
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def _shares(
    confusion: npt.NDArray[np.int64], classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Turn counts into shares of each true class."""
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    return {
        true: dict(zip(classes, row, strict=True))
        for true, row in zip(classes, shares.tolist(), strict=True)
    }
