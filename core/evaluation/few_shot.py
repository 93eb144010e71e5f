"""Seeded draws of supports and queries: N-way X-shot classification, by sample.

Section 3.6 of the paper and docs/physics.md, "How accuracy is measured": of every
sample, X supports per class are drawn from its own patterns and never queried; of the
other patterns as many of each class are queries; several draws. Everything that is
measured (scores, calibration, maps) uses these draws, so that every classifier sees
the same supports and queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT

Indices = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

TWO_WAY = (SINGLE_HIT, MULTI_HIT)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How few-shot accuracy is measured.

    Parameters
    ----------
    n_shot : tuple of int
        Supports per class; every number is measured.
    draws : int
        Draws of supports per sample.
    seed : int
    classes : tuple of str
        The first is the one whose F1 is reported. Names joined by + are one class,
        as in ``multi-hit+non-sample-hit``, with as many patterns of each.
    area : str
        What of the detector is used, in words.
    """

    n_shot: tuple[int, ...] = (1, 5, 20)
    draws: int = 5
    seed: int = 0
    classes: tuple[str, ...] = TWO_WAY
    area: str = "whole"


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """One draw of supports from one sample, and what is left to classify.

    Parameters
    ----------
    supports_by_class, queries_by_class : sequence of (n,) int64
        Rows of the patterns.
    unused_by_class : sequence of (n,) int64
        Rows of the other patterns: the larger classes have more than are queried.
    seed : int
        For classifiers that draw random numbers of their own.
    """

    supports_by_class: Sequence[Indices]
    queries_by_class: Sequence[Indices]
    unused_by_class: Sequence[Indices] = ()
    seed: int

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.supports_by_class)

    @property
    def supports(self) -> Indices:
        """Rows of all supports, (S,) int64, class after class."""
        return np.concatenate(self.supports_by_class)

    @property
    def support_classes(self) -> Indices:
        """Number of the class of each support, (S,) int64."""
        return _class_numbers(self.supports_by_class)

    @property
    def queries(self) -> Indices:
        """Rows of all queries, (Q,) int64, class after class."""
        return np.concatenate(self.queries_by_class)

    @property
    def query_classes(self) -> Indices:
        """Number of the class of each query, (Q,) int64."""
        return _class_numbers(self.queries_by_class)


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotDraws:
    """All draws from a set of labelled patterns.

    Parameters
    ----------
    classes : tuple of str
    by_n_shot : dict of int to dict of sample to list of Draw
        For the numbers of supports that the data allow, of the samples that have
        supports and at least one query of every class.
    left_out : tuple of str
        Why other numbers of supports are not there, a sentence each.
    patterns : dict of sample to dict of class to int
        How many patterns there are.
    total : int
        Of all samples, other classes included.
    ood_rows : dict of sample to dict of label to (n,) int64
        Rows of the patterns whose label is none of the classes.
    """

    classes: tuple[str, ...]
    by_n_shot: Mapping[int, Mapping[str, Sequence[Draw]]]
    left_out: tuple[str, ...]
    patterns: Mapping[str, Mapping[str, int]]
    total: int
    ood_rows: Mapping[str, Mapping[str, Indices]]

    @property
    def main_n_shot(self) -> int:
        """The number of supports for what is shown once: the middle one."""
        numbers = sorted(self.by_n_shot)
        return numbers[len(numbers) // 2]


def draw_few_shot(
    labels: Texts, names: Texts, settings: EvaluationSettings
) -> FewShotDraws:
    """Draw supports and queries for every number of supports that the data allow.

    Parameters
    ----------
    labels, names : (N,) str
        Class and sample of each pattern.
    settings : EvaluationSettings

    Raises
    ------
    DataError
        If the data allow none of the numbers.
    """
    groups = group_rows(labels, names, settings.classes)
    by_n_shot, left_out = {}, []
    for n_shot in settings.n_shot:
        try:
            by_n_shot[n_shot] = draw_samples(
                groups, n_shot, settings.draws, settings.seed
            )
        except DataError as error:
            left_out.append(str(error))
    if not by_n_shot:
        raise DataError("; ".join(left_out))
    return FewShotDraws(
        classes=settings.classes,
        by_n_shot=by_n_shot,
        left_out=tuple(left_out),
        patterns={
            name: dict(zip(settings.classes, map(len, members), strict=True))
            for name, members in groups.items()
        },
        total=len(labels),
        ood_rows=_ood_rows(labels, names, settings.classes),
    )


def group_rows(
    labels: Texts, names: Texts, classes: Sequence[str] = TWO_WAY
) -> dict[str, list[Indices]]:
    """Return the rows of every class of every sample, samples in order of name.

    Parameters
    ----------
    labels, names : (N,) str
    classes : sequence of str
        See `EvaluationSettings`.
    """
    return {
        str(name): [_rows_of(label, labels, names == name) for label in classes]
        for name in np.unique(names)
    }


def draw_samples(
    groups: Mapping[str, Sequence[Indices]], n_shot: int, draws: int, seed: int
) -> dict[str, list[Draw]]:
    """Draw supports and queries from every sample.

    Parameters
    ----------
    groups : rows of every sample, by class
        See `group_rows`.
    n_shot, draws : int
        Supports per class, and how often they are drawn from each sample.
    seed : int

    Returns
    -------
    dict of sample to list of Draw
        Of the samples that have supports and at least one query of every class.

    Raises
    ------
    DataError
        If there is no such sample.
    """
    found = {}
    for number, (name, members) in enumerate(groups.items()):
        if min(map(len, members)) > n_shot:
            stream = [seed, n_shot, number]
            random = np.random.default_rng(stream)
            seeds = np.random.SeedSequence(stream).generate_state(draws).tolist()
            found[name] = [_draw(members, n_shot, random, own) for own in seeds]
    if not found:
        largest = max(min(map(len, members)) for members in groups.values())
        raise DataError(
            f"{n_shot} supports: no sample has {n_shot + 1} patterns of every class, "
            f"the most is {largest}"
        )
    return found


def _draw(
    members: Sequence[Indices], n_shot: int, random: np.random.Generator, seed: int
) -> Draw:
    shuffled = [random.permutation(rows) for rows in members]
    fewest = min(map(len, shuffled))
    return Draw(
        supports_by_class=[rows[:n_shot] for rows in shuffled],
        queries_by_class=[rows[n_shot:fewest] for rows in shuffled],
        unused_by_class=[rows[fewest:] for rows in shuffled],
        seed=seed,
    )


def _rows_of(label: str, labels: Texts, ours: npt.NDArray[np.bool_]) -> Indices:
    """Return the rows of a class, or as many of each that + joins to one."""
    parts = [np.flatnonzero(ours & (labels == part)) for part in label.split("+")]
    fewest = min(map(len, parts))
    return np.concatenate([part[:fewest] for part in parts])


def _ood_rows(
    labels: Texts, names: Texts, classes: Sequence[str]
) -> dict[str, dict[str, Indices]]:
    """Return the rows whose label is none of the classes, by sample and label."""
    known = {part for name in classes for part in name.split("+")}
    others = sorted({*labels.tolist()} - known)
    return {
        str(name): {
            label: np.flatnonzero((names == name) & (labels == label))
            for label in others
        }
        for name in np.unique(names)
    }


def _class_numbers(rows_by_class: Sequence[Indices]) -> Indices:
    return np.repeat(np.arange(len(rows_by_class)), list(map(len, rows_by_class)))
