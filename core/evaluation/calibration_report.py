"""Calibration error of the scores, and detection of out-of-distribution patterns.

On the same draws as accuracy. Patterns of the file whose label is none of the classes
are out of distribution: contaminants that nobody gave supports for. Their distance to
the nearest class should be larger than that of any query. Accuracy elsewhere counts
the best class of every query; here it is told how many queries are called unknown
instead, and how often the others are right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.calibration import (
    Reliability,
    fit_temperature,
    log_loss,
    reliability,
)
from specklenn.core.evaluation.classifiers import FewShotClassifier
from specklenn.core.evaluation.few_shot import FewShotDraws
from specklenn.core.heads.head import ClassScores
from specklenn.core.rejection import Limits


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """What scores and distances are worth at one number of supports.

    Parameters
    ----------
    n_shot : int
        Supports per class.
    temperature : float
        The model's.
    reliability : Reliability
        All queries of all draws together.
    log_loss : float
        Mean negative logarithm of the right class's score, nats.
    best_temperature : float
        By which logarithms of scores should be divided, times the model's: what would
        have fitted best.
    unknown : float
        Share of queries that are called unknown, see `specklenn.core.rejection`.
    accuracy_of_known : float
        Share of right labels among the other queries; NaN if there are none.
    ood_auroc : dict of label to float
        Probability that a pattern with this label is farther from its nearest class
        than a query, mean over samples and draws (area under the curve of rejection).
    ood_unknown : dict of label to float
        Share of the patterns with this label that are called unknown, as above.
    """

    n_shot: int
    temperature: float
    reliability: Reliability
    log_loss: float
    best_temperature: float
    unknown: float
    accuracy_of_known: float
    ood_auroc: dict[str, float]
    ood_unknown: dict[str, float]


def measure_confidence(
    classifier: FewShotClassifier,
    draws: FewShotDraws,
    temperature: float,
    n_shot: int | None = None,
    limits: Limits | None = None,
) -> Confidence:
    """Measure what the scores and distances of a classifier are worth.

    Parameters
    ----------
    classifier : FewShotClassifier
        Its first variant counts.
    draws : FewShotDraws
    temperature : float
        Of the scores.
    n_shot : int, optional
        Supports per class, one of the draws'; `FewShotDraws.main_n_shot` if None.
    limits : Limits, optional
        Beyond which patterns are unknown; none are without.
    """
    limits = limits or Limits()
    n_shot = draws.main_n_shot if n_shot is None else n_shot
    queries, others = [], []
    for sample, of_sample in draws.by_n_shot[n_shot].items():
        for draw in of_sample:
            measure = classifier.fit(draw)
            found = measure(draw.queries)[0]
            queries.append((found, draw.query_classes))
            others.append(
                {
                    label: _Others.measure(found, measure(rows)[0], limits)
                    for label, rows in draws.ood_rows[sample].items()
                    if len(rows)
                }
            )
    scores = np.concatenate([found.scores for found, _ in queries])
    distances = np.concatenate([found.distances for found, _ in queries])
    classes = np.concatenate([codes for _, codes in queries])
    unknown = limits.unknown(distances, scores)
    right = scores.argmax(axis=1) == classes
    return Confidence(
        n_shot=n_shot,
        temperature=temperature,
        reliability=reliability(scores, classes),
        log_loss=log_loss(scores, classes),
        best_temperature=temperature * fit_temperature(scores, classes),
        unknown=float(unknown.mean()),
        accuracy_of_known=float(right[~unknown].mean()) if (~unknown).any() else np.nan,
        ood_auroc=_mean_by_label(others, lambda found: found.auroc),
        ood_unknown=_mean_by_label(others, lambda found: found.unknown),
    )


def auroc(low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> float:
    """Return how likely one of ``high`` is above one of ``low``; ties count half.

    Parameters
    ----------
    low, high : (n,), (m,) float
    """
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    at_most = np.searchsorted(ordered, high, side="right")
    return float((below + at_most).mean() / (2 * len(low)))


class _Others(NamedTuple):
    """How patterns of another label differ from the queries of one draw."""

    auroc: float
    unknown: float

    @classmethod
    def measure(
        cls, queries: ClassScores, others: ClassScores, limits: Limits
    ) -> _Others:
        nearest, theirs = (found.distances.min(axis=1) for found in (queries, others))
        unknown = limits.unknown(others.distances, others.scores)
        return cls(auroc=auroc(nearest, theirs), unknown=float(unknown.mean()))


def _mean_by_label(
    draws: Sequence[Mapping[str, _Others]], quantity: Callable[[_Others], float]
) -> dict[str, float]:
    labels = sorted({label for by_label in draws for label in by_label})
    return {
        label: float(np.mean([quantity(one[label]) for one in draws if label in one]))
        for label in labels
    }
