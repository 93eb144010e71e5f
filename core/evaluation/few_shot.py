"""How good a model is: N-way X-shot classification, sample by sample.

Section 3.6 of the paper and docs/physics.md, "How accuracy is measured": per
sample, X supports per class are drawn from its own patterns and never queried;
all other patterns are queries, as many of each class; several draws; the mean
over samples with a 95 % interval over samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.networks import Network
from specklenn.core.scoring import Rule, class_distances

Embeddings = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

TWO_WAY = (SINGLE_HIT, MULTI_HIT)
NORMAL_95 = 1.96
EMBED_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one sample or one draw.

    Parameters
    ----------
    accuracy : float
        Share of queries with the right label.
    f1 : float
        Harmonic mean of precision and recall of the first class.
    """

    accuracy: float
    f1: float


def evaluate(
    embeddings: Embeddings,
    labels: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
    *,
    shots: Sequence[int] = (1, 5, 20),
    draws: int = 5,
    seed: int = 0,
    classes: Sequence[str] = TWO_WAY,
    rule: Rule = "mean",
) -> dict[str, Any]:
    """Measure few-shot accuracy for several numbers of supports.

    Parameters
    ----------
    embeddings : (N, D) float32, unit length
    labels, names : (N,) str
        Class and sample of each pattern; other classes are left aside.
    shots : sequence of int
        Supports per class.
    draws : int
        Draws of supports per sample.
    seed : int
    classes : sequence of str
        The first is the one whose F1 is reported. Names joined by + are one class,
        as in ``multi-hit+non-sample-hit``, with as many patterns of each.
    rule : {"mean", "nearest", "soft", "prototype"}
        How the supports of a class give one distance.

    Returns
    -------
    dict
        Per number of shots, as text: ``accuracy``, ``f1``, ``ci95`` (lower and
        upper end for the accuracy), ``per_sample``.

    Raises
    ------
    DataError
        If no sample has enough patterns of every class.
    """
    groups = {
        str(name): [_rows_of(label, labels, names == name) for label in classes]
        for name in np.unique(names)
    }
    return {
        str(number): _summary(embeddings, groups, number, draws, seed, rule)
        for number in shots
    }


def score_sample(
    embeddings: Embeddings,
    members: Sequence[Indices],
    shots: int,
    draws: int,
    random: np.random.Generator,
    rule: Rule = "mean",
) -> Score:
    """Measure one sample, the mean over draws of supports.

    Parameters
    ----------
    embeddings : (N, D) float32
    members : sequence of (n,) int64
        Rows of each class.
    shots, draws : int
    random : Generator
    rule : {"mean", "nearest", "soft", "prototype"}
    """
    scores = [
        _score_draw(embeddings, members, shots, random, rule) for _ in range(draws)
    ]
    return Score(
        accuracy=float(np.mean([score.accuracy for score in scores])),
        f1=float(np.mean([score.f1 for score in scores])),
    )


@torch.inference_mode()
def embed(encoder: Network, inputs: npt.NDArray[np.float32]) -> Embeddings:
    """Embed prepared patterns in batches.

    Parameters
    ----------
    encoder : network
        In evaluation mode.
    inputs : (N, side, side) float32

    Returns
    -------
    (N, D) float32, unit length
    """
    parts = [
        encoder(torch.from_numpy(inputs[first : first + EMBED_BATCH])[:, None]).numpy()
        for first in range(0, len(inputs), EMBED_BATCH)
    ]
    return np.concatenate(parts)


def _rows_of(
    label: str, labels: npt.NDArray[np.str_], ours: npt.NDArray[np.bool_]
) -> Indices:
    """Return the rows of a class, or as many of each that + joins to one."""
    parts = [np.flatnonzero(ours & (labels == part)) for part in label.split("+")]
    least = min(map(len, parts))
    return np.concatenate([part[:least] for part in parts])


def _score_draw(
    embeddings: Embeddings,
    members: Sequence[Indices],
    shots: int,
    random: np.random.Generator,
    rule: Rule,
) -> Score:
    mixed = [random.permutation(rows) for rows in members]
    queries_each = min(len(rows) for rows in mixed) - shots
    supports = np.concatenate([rows[:shots] for rows in mixed])
    queries = np.concatenate([rows[shots : shots + queries_each] for rows in mixed])
    number = len(members)
    distances = class_distances(
        embeddings[queries],
        embeddings[supports],
        np.repeat(np.arange(number), shots),
        number,
        rule,
    )
    return _score(distances.argmin(axis=1), np.repeat(np.arange(number), queries_each))


def _score(found: Indices, true: Indices) -> Score:
    """Compare classes; class 0 is the one whose F1 counts."""
    both = int(((found == 0) & (true == 0)).sum())
    either = int((found == 0).sum() + (true == 0).sum())
    return Score(
        accuracy=float((found == true).mean()), f1=2 * both / either if either else 0.0
    )


def _summary(
    embeddings: Embeddings,
    groups: dict[str, list[Indices]],
    shots: int,
    draws: int,
    seed: int,
    rule: Rule,
) -> dict[str, Any]:
    """Average over the samples that have supports and at least one query a class."""
    scores = {}
    for number, (name, members) in enumerate(groups.items()):
        if min(map(len, members)) > shots:
            random = np.random.default_rng([seed, shots, number])
            scores[name] = score_sample(embeddings, members, shots, draws, random, rule)
    if not scores:
        raise DataError(
            f"{shots} supports: no sample has {shots + 1} patterns of every class"
        )
    accuracies = np.array([score.accuracy for score in scores.values()])
    mean = float(accuracies.mean())
    spread = float(accuracies.std(ddof=1)) if len(accuracies) > 1 else 0.0
    half = NORMAL_95 * spread / float(np.sqrt(len(accuracies)))
    return {
        "accuracy": mean,
        "f1": float(np.mean([score.f1 for score in scores.values()])),
        "ci95": [mean - half, mean + half],
        "per_sample": {
            name: {"accuracy": score.accuracy, "f1": score.f1}
            for name, score in scores.items()
        },
    }
