"""Which patterns are supports and which are queries, the same for every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import Indices, sample_stream


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """One draw of supports from one sample, and what is left to classify.

    Parameters
    ----------
    supports, support_classes : (S,) int64
        Rows, and the number of the class of each.
    queries, query_classes : (Q,) int64
        As many of each class.
    classes : int
    seed : int
        For methods that draw random numbers of their own.
    """

    supports: Indices
    support_classes: Indices
    queries: Indices
    query_classes: Indices
    classes: int
    seed: int


def draw_samples(
    groups: Mapping[str, Sequence[Indices]], shots: int, draws: int, seed: int
) -> dict[str, list[Draw]]:
    """Draw supports as `specklenn.core.evaluation.few_shot.evaluate` does.

    Parameters
    ----------
    groups : rows of every sample, by class
        See `specklenn.core.evaluation.few_shot.group_rows`.
    shots, draws : int
        Supports per class, and how often they are drawn from each sample.
    seed : int

    Returns
    -------
    dict of sample to list of Draw
        Of the samples that have supports and at least one query a class.

    Raises
    ------
    DataError
        If there is no such sample.
    """
    found = {}
    for number, (name, members) in enumerate(groups.items()):
        if min(map(len, members)) > shots:
            random = sample_stream(seed, shots, number)
            seeds = np.random.SeedSequence([seed, shots, number]).generate_state(draws)
            found[name] = [_draw(members, shots, random, own) for own in seeds.tolist()]
    if not found:
        raise DataError(
            f"{shots} supports: no sample has {shots + 1} patterns of every class"
        )
    return found


def _draw(
    members: Sequence[Indices], shots: int, random: np.random.Generator, seed: int
) -> Draw:
    mixed = [random.permutation(rows) for rows in members]
    queries_each = min(len(rows) for rows in mixed) - shots
    classes = np.arange(len(members))
    return Draw(
        supports=np.concatenate([rows[:shots] for rows in mixed]),
        support_classes=np.repeat(classes, shots),
        queries=np.concatenate([rows[shots : shots + queries_each] for rows in mixed]),
        query_classes=np.repeat(classes, queries_each),
        classes=len(members),
        seed=seed,
    )
