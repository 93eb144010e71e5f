"""Whether scores mean something: as probabilities, and for what is no known class.

With the supports of the same draws as `specklenn.core.evaluation.few_shot`. Patterns of
the file whose label is none of the classes are ood_auroc, a contaminant that nobody
gave supports for; their distance to the nearest class should be larger than that of
any query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Embeddings, PrototypeFn, Rule, class_distances
from specklenn.core.evaluation.calibration import (
    Reliability,
    fit_temperature,
    reliability,
)
from specklenn.core.evaluation.few_shot import (
    ClassifiedDraw,
    Indices,
    classify_draws,
    group_rows,
    sample_stream,
)
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """What scores and distances are worth at one number of supports.

    Parameters
    ----------
    shots : int
        Supports per class.
    temperature : float
        The model's.
    reliability : Reliability
        At this temperature, all queries of all draws together.
    best_temperature : float
        That would have fitted best.
    ood_auroc : dict of label to float
        Probability that a pattern with this label is farther from its nearest class
        than a query, mean over samples and draws (area under the curve of rejection).
    """

    shots: int
    temperature: float
    reliability: Reliability
    best_temperature: float
    ood_auroc: dict[str, float]


def measure_confidence(
    embeddings: Embeddings,
    labels: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
    *,
    shots: int,
    draws: int,
    seed: int,
    classes: Sequence[str],
    rule: Rule,
    temperature: float,
    adapter: PrototypeAdapter | None = None,
) -> Confidence:
    """Measure what scores and distances are worth.

    Parameters
    ----------
    embeddings : (N, D) float32, unit length
    labels, names : (N,) str
    shots, draws, seed : int
    classes : sequence of str
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
        As in `specklenn.core.evaluation.few_shot.evaluate`.
    temperature : float
    adapter : PrototypeAdapter, optional
        The network's, for the last rule.

    Raises
    ------
    DataError
        If no sample has enough patterns of every class.
    """
    known = {part for name in classes for part in name.split("+")}
    strange = sorted({*labels.tolist()} - known)
    prototype_fn = make_prototype_fn(adapter, classes)
    judged: list[ClassifiedDraw] = []
    apart: dict[str, list[float]] = {label: [] for label in strange}
    for number, (name, members) in enumerate(
        group_rows(labels, names, classes).items()
    ):
        if min(map(len, members)) <= shots:
            continue
        random = sample_stream(seed, shots, number)
        drawn = classify_draws(
            embeddings, members, shots, draws, random, rule, prototype_fn
        )
        for draw in drawn:
            judged.append(draw)
            for label in strange:
                rows = np.flatnonzero((names == name) & (labels == label))
                if len(rows):
                    far = _nearest(
                        embeddings[rows], embeddings, draw, rule, prototype_fn
                    )
                    near = draw.distances.min(axis=1)
                    apart[label].append(auroc(near, far))
    distances = np.concatenate([draw.distances for draw in judged])
    codes = np.concatenate([draw.codes for draw in judged])
    return Confidence(
        shots=shots,
        temperature=temperature,
        reliability=reliability(distances, codes, temperature),
        best_temperature=fit_temperature(distances, codes),
        ood_auroc={
            label: float(np.mean(found)) for label, found in apart.items() if found
        },
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


def _nearest(
    vectors: Embeddings,
    embeddings: Embeddings,
    draw: ClassifiedDraw,
    rule: Rule,
    prototype_fn: PrototypeFn | None,
) -> npt.NDArray[np.float32]:
    """Return the distance of vectors to the nearest class of a draw."""
    number = draw.distances.shape[1]
    each = len(draw.supports) // number
    codes: Indices = np.repeat(np.arange(number), each)
    nearest: npt.NDArray[np.float32] = class_distances(
        vectors, embeddings[draw.supports], codes, number, rule, prototype_fn
    ).min(axis=1)
    return nearest
