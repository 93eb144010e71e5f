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

from specklenn.core.distances import Embeddings, PrototypeFn, Rule, class_distances
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn

Indices = npt.NDArray[np.int64]

TWO_WAY = (SINGLE_HIT, MULTI_HIT)
NORMAL_95 = 1.96


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """Of one sample or one draw.

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


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifiedDraw:
    """One draw of supports of one sample, and what came of its queries.

    Parameters
    ----------
    supports : (classes * shots,) int64
        Rows, class after class.
    distances : (Q, classes) float32
        Of the queries.
    codes : (Q,) int64
        Their classes.
    """

    supports: Indices
    distances: npt.NDArray[np.float32]
    codes: Indices


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
    adapter: PrototypeAdapter | None = None,
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
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
        How the supports of a class give one distance.
    adapter : PrototypeAdapter, optional
        The network's, for the last rule.

    Returns
    -------
    dict
        Per number of shots, as text, means over samples: ``accuracy``, ``f1``,
        ``precision``, ``recall`` (the last three of the first class); ``ci95`` and
        ``f1_ci95``, the lower and upper end for accuracy and F1; ``confusion``,
        for every true class the share of its queries that was taken for each;
        ``per_sample``, accuracy and F1 by name.

    Raises
    ------
    DataError
        If no sample has enough patterns of every class.
    """
    groups = group_rows(labels, names, classes)
    prototype_fn = make_prototype_fn(adapter, classes)
    found = {}
    for number in shots:
        scores = _score_samples(
            embeddings, groups, number, draws, seed, rule, prototype_fn
        )
        found[str(number)] = summarise(scores, classes)
    return found


def group_rows(
    labels: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
    classes: Sequence[str] = TWO_WAY,
) -> dict[str, list[Indices]]:
    """Return the rows of every class of every sample, samples in order of name.

    Parameters
    ----------
    labels, names : (N,) str
    classes : sequence of str
        See `evaluate`.
    """
    return {
        str(name): [_rows_of(label, labels, names == name) for label in classes]
        for name in np.unique(names)
    }


def sample_stream(seed: int, shots: int, number: int) -> np.random.Generator:
    """Return the random numbers that draw supports of a sample, by its number."""
    return np.random.default_rng([seed, shots, number])


def score_sample(
    embeddings: Embeddings,
    members: Sequence[Indices],
    shots: int,
    draws: int,
    random: np.random.Generator,
    rule: Rule = "mean",
    prototype_fn: PrototypeFn | None = None,
) -> Score:
    """Measure one sample, the mean over draws of supports.

    Parameters
    ----------
    embeddings : (N, D) float32
    members : sequence of (n,) int64
        Rows of each class.
    shots, draws : int
    random : Generator
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
    prototype_fn : function, optional
    """
    judged = classify_draws(
        embeddings, members, shots, draws, random, rule, prototype_fn
    )
    return mean_score([_score(draw) for draw in judged])


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the score of one sample, given that of each of its draws."""
    return Score(
        accuracy=float(np.mean([score.accuracy for score in scores])),
        f1=float(np.mean([score.f1 for score in scores])),
        precision=float(np.mean([score.precision for score in scores])),
        recall=float(np.mean([score.recall for score in scores])),
        confusion=np.sum([score.confusion for score in scores], axis=0),
    )


def _rows_of(
    label: str, labels: npt.NDArray[np.str_], ours: npt.NDArray[np.bool_]
) -> Indices:
    """Return the rows of a class, or as many of each that + joins to one."""
    parts = [np.flatnonzero(ours & (labels == part)) for part in label.split("+")]
    least = min(map(len, parts))
    return np.concatenate([part[:least] for part in parts])


def classify_draws(
    embeddings: Embeddings,
    members: Sequence[Indices],
    shots: int,
    draws: int,
    random: np.random.Generator,
    rule: Rule = "mean",
    prototype_fn: PrototypeFn | None = None,
) -> list[ClassifiedDraw]:
    """Judge the queries of several draws of supports of one sample.

    Parameters
    ----------
    embeddings : (N, D) float32
    members : sequence of (n,) int64
        Rows of each class.
    shots, draws : int
    random : Generator
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
    prototype_fn : function, optional
    """
    return [
        _classify_draw(embeddings, members, shots, random, rule, prototype_fn)
        for _ in range(draws)
    ]


def _score(draw: ClassifiedDraw) -> Score:
    number = draw.distances.shape[1]
    confusion = np.zeros((number, number), np.int64)
    np.add.at(confusion, (draw.codes, draw.distances.argmin(axis=1)), 1)
    return score_confusion(confusion)


def _classify_draw(
    embeddings: Embeddings,
    members: Sequence[Indices],
    shots: int,
    random: np.random.Generator,
    rule: Rule,
    prototype_fn: PrototypeFn | None,
) -> ClassifiedDraw:
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
        prototype_fn,
    )
    return ClassifiedDraw(
        supports=supports,
        distances=distances,
        codes=np.repeat(np.arange(number), queries_each),
    )


def score_confusion(confusion: Indices) -> Score:
    """Score the queries of one draw; class 0 is the one whose F1 counts.

    Parameters
    ----------
    confusion : (classes, classes) int64
        Queries by their true class (rows) and the one found (columns).
    """
    both = int(confusion[0, 0])
    true, found = int(confusion[0].sum()), int(confusion[:, 0].sum())
    return Score(
        accuracy=float(np.trace(confusion) / confusion.sum()),
        f1=2 * both / (true + found),
        precision=both / found if found else 0.0,
        recall=both / true,
        confusion=confusion,
    )


def _score_samples(
    embeddings: Embeddings,
    groups: dict[str, list[Indices]],
    shots: int,
    draws: int,
    seed: int,
    rule: Rule,
    prototype_fn: PrototypeFn | None,
) -> dict[str, Score]:
    """Score the samples that have supports and at least one query a class."""
    scores = {}
    for number, (name, members) in enumerate(groups.items()):
        if min(map(len, members)) > shots:
            random = sample_stream(seed, shots, number)
            scores[name] = score_sample(
                embeddings, members, shots, draws, random, rule, prototype_fn
            )
    if not scores:
        raise DataError(
            f"{shots} supports: no sample has {shots + 1} patterns of every class"
        )
    return scores


def summarise(scores: dict[str, Score], classes: Sequence[str]) -> dict[str, Any]:
    """Average over samples.

    Parameters
    ----------
    scores : dict of sample to Score
    classes : sequence of str

    Returns
    -------
    dict
        As for each number of shots in `evaluate`.
    """
    accuracies = [score.accuracy for score in scores.values()]
    f1s = [score.f1 for score in scores.values()]
    return {
        "accuracy": float(np.mean(accuracies)),
        "f1": float(np.mean(f1s)),
        "precision": float(np.mean([score.precision for score in scores.values()])),
        "recall": float(np.mean([score.recall for score in scores.values()])),
        "ci95": _interval(accuracies),
        "f1_ci95": _interval(f1s),
        "confusion": _shares(
            sum(score.confusion for score in scores.values()), classes
        ),
        "per_sample": {
            name: {"accuracy": score.accuracy, "f1": score.f1}
            for name, score in scores.items()
        },
    }


def _interval(values: list[float]) -> list[float]:
    """Return the 95 % interval of a mean; of a single value the value itself."""
    mean = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = NORMAL_95 * spread / float(np.sqrt(len(values)))
    return [mean - half, mean + half]


def _shares(confusion: Any, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Turn counts into shares of each true class."""
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    return {
        true: dict(zip(classes, row, strict=True))
        for true, row in zip(classes, shares.tolist(), strict=True)
    }
