"""Calibration error of the scores, and detection of out-of-distribution patterns.

On the same draws as accuracy. Patterns of the file whose label is none of the classes
are out of distribution: contaminants that nobody gave supports for. Their distance to
the nearest class should be larger than that of any query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.calibration import (
    Reliability,
    fit_temperature,
    log_loss,
    reliability,
)
from specklenn.core.evaluation.classifiers import FewShotClassifier
from specklenn.core.evaluation.few_shot import Draw, FewShotDraws, Indices
from specklenn.core.heads.head import ClassScores


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
    ood_auroc : dict of label to float
        Probability that a pattern with this label is farther from its nearest class
        than a query, mean over samples and draws (area under the curve of rejection).
    """

    n_shot: int
    temperature: float
    reliability: Reliability
    log_loss: float
    best_temperature: float
    ood_auroc: dict[str, float]


def measure_confidence(
    classifier: FewShotClassifier,
    draws: FewShotDraws,
    temperature: float,
    n_shot: int | None = None,
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
    """
    n_shot = draws.main_n_shot if n_shot is None else n_shot
    all_scores, all_classes, aurocs = [], [], []
    for sample, of_sample in draws.by_n_shot[n_shot].items():
        for draw in of_sample:
            found, by_label = _classify(classifier, draw, draws.ood_rows[sample])
            all_scores.append(found.scores)
            all_classes.append(draw.query_classes)
            aurocs.append(by_label)
    scores, classes = np.concatenate(all_scores), np.concatenate(all_classes)
    return Confidence(
        n_shot=n_shot,
        temperature=temperature,
        reliability=reliability(scores, classes),
        log_loss=log_loss(scores, classes),
        best_temperature=temperature * fit_temperature(scores, classes),
        ood_auroc=_mean_by_label(aurocs),
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


def _classify(
    classifier: FewShotClassifier, draw: Draw, ood_rows: Mapping[str, Indices]
) -> tuple[ClassScores, dict[str, float]]:
    """Return the scores of the queries and the AUROC of other labels."""
    measure = classifier.fit(draw)
    found = measure(draw.queries)[0]
    nearest = found.distances.min(axis=1)
    return found, {
        label: auroc(nearest, measure(rows)[0].distances.min(axis=1))
        for label, rows in ood_rows.items()
        if len(rows)
    }


def _mean_by_label(aurocs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    labels = sorted({label for by_label in aurocs for label in by_label})
    return {
        label: float(np.mean([found[label] for found in aurocs if label in found]))
        for label in labels
    }
