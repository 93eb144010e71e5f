"""The paper's Table 1: few labels of one experiment, all and a part of its detector.

Every draw takes some shots of each class as labels and 1000 of the others as queries.
Methods are trained anew on the labels of each draw. Single-hits against anything else
count, as in the paper (section 4.2.2); methods that tell three classes apart are scored
by these as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.data.detector_area import Area
from specklenn.core.errors import DataError
from specklenn.core.finetuning.labelled_shots import LabelledShots

QUERIES = (345, 324, 331)
"""Most single-hits, multi-hits and non-sample-hits, the paper's."""

Codes = npt.NDArray[np.int64]


class Recipe(Protocol):
    """Learns from labelled shots and judges others."""

    @property
    def name(self) -> str:
        """What it is called in the table."""

    @property
    def labels(self) -> int:
        """Labels of each class that it gets."""

    def judge(
        self, labelled: LabelledShots, queries: LabelledShots, seed: int
    ) -> Codes:
        """Return a class for every query, (Q,) int64; 0 is the single-hit.

        Recipes that know two classes give 0 and 1.
        """


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One recipe on one area, means over draws.

    Parameters
    ----------
    accuracy, f1 : float
        Single-hits against anything else.
    all_classes : float or None
        Accuracy over all classes; None where the recipe knows two.
    spread : float
        Standard deviation of the accuracy over draws.
    """

    accuracy: float
    f1: float
    all_classes: float | None
    spread: float


@dataclass(frozen=True, kw_only=True)
class Task:
    """One recipe on one draw of labels."""

    recipe: Recipe
    area: Area
    draw: int


class OnlineStudy:
    """The table, cell by cell.

    Parameters
    ----------
    shots : dict of Area to LabelledShots
        The same shots, with the mask of each area.
    recipes : sequence of Recipe
    draws : int
        Draws of labels.
    pool : int
        Shots of each class that are set aside for labels: the queries of a draw are
        the same for every recipe.
    seed : int

    Raises
    ------
    DataError
        If there are not enough shots.
    """

    def __init__(
        self,
        shots: Mapping[Area, LabelledShots],
        recipes: Sequence[Recipe],
        draws: int,
        pool: int,
        seed: int,
    ) -> None:
        self._shots = shots
        self._recipes = recipes
        self._draws = draws
        self._pool = pool
        self._seed = seed
        self._scores: dict[tuple[str, Area], list[tuple[float, float, float]]] = {}
        for found in shots.values():
            fewest = min(found.counts().values())
            if fewest <= pool:
                raise DataError(
                    f"{fewest} shots of one class, more than {pool} expected: {pool} "
                    "labels, and queries"
                )

    def tasks(self) -> list[Task]:
        """Return everything that is to be done."""
        return [
            Task(recipe=recipe, area=area, draw=draw)
            for recipe in self._recipes
            for area in self._shots
            for draw in range(self._draws)
        ]

    def do(self, task: Task) -> None:
        """Train a recipe on a draw and score its queries."""
        shots = self._shots[task.area]
        pool, queries = self._draw(shots, task.draw)
        wanted = np.concatenate([rows[: task.recipe.labels] for rows in pool])
        found = task.recipe.judge(shots.only(wanted), shots.only(queries), task.draw)
        scores = _score(found, shots.codes[queries])
        self._scores.setdefault((task.recipe.name, task.area), []).append(scores)

    def cells(self) -> Iterator[tuple[str, Area, Cell]]:
        """Give what came out, recipe by recipe."""
        for (name, area), scores in self._scores.items():
            accuracy, f1, whole = np.mean(scores, axis=0)
            cell = Cell(
                accuracy=float(accuracy),
                f1=float(f1),
                all_classes=None if np.isnan(whole) else float(whole),
                spread=float(np.std([one[0] for one in scores])),
            )
            yield name, area, cell

    def _draw(self, shots: LabelledShots, draw: int) -> tuple[list[Codes], Codes]:
        """Return rows to label, by class, and the queries."""
        random = np.random.default_rng([self._seed, draw])
        pool, queries = [], []
        for code, most in zip(range(len(shots.classes)), QUERIES, strict=False):
            rows = random.permutation(np.flatnonzero(shots.codes == code))
            pool.append(rows[: self._pool])
            queries.append(rows[self._pool :][:most])
        return pool, np.concatenate(queries)


def _score(found: Codes, true: Codes) -> tuple[float, float, float]:
    """Return accuracy and F1 of single-hits, and accuracy over all classes or NaN."""
    said, right = found == 0, true == 0
    both = int((said & right).sum())
    f1 = 2 * both / max(int(said.sum() + right.sum()), 1)
    knows_all = found.max() > 1 or true.max() < 2
    whole = float((found == true).mean()) if knows_all else float("nan")
    return float((said == right).mean()), f1, whole
