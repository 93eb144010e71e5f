"""The paper's Table 1: few labels of one experiment, all and a part of its detector.

Every draw takes some shots of each class as labels and 1000 of the others as queries.
Methods are trained anew on the labels of each draw. Single-hits against anything else
count, as in the paper (section 4.2.2); methods that tell three classes apart are scored
by these as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from specklenn.core.data.detector_area import Area
from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import Draw, Indices
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.evaluation.scores import score_confusion, score_labels
from specklenn.core.finetuning.labelled_shots import LabelledShots
from specklenn.core.heads.head import ClassScores
from specklenn.core.intervals import shots_interval

QUERIES = (345, 324, 331)
"""Most single-hits, multi-hits and non-sample-hits, the paper's."""

ShotScoreFn = Callable[[LabelledShots], ClassScores]
"""Shots (Q) to their scores of the classes, (Q, classes)."""


class Table1Method(Protocol):
    """Learns from labelled shots and classifies others."""

    @property
    def name(self) -> str:
        """What it is called in the table."""

    @property
    def labels(self) -> int:
        """Labels of each class that it gets."""

    def fit(self, labelled: LabelledShots, seed: int) -> ShotScoreFn:
        """Return what measures queries; class 0 is the single-hit.

        Methods that know two classes measure to two.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One training: a method on an area, with one draw of labels.

    Parameters
    ----------
    method : Table1Method
    area : Area
    shots : LabelledShots
        With the mask of the area.
    draw : Draw
        Rows of the labels and of the queries.
    """

    method: Table1Method
    area: Area
    shots: LabelledShots
    draw: Draw

    def confusion(self) -> Indices:
        """Train on the labels; returns the confusion matrix of the queries."""
        draw = self.draw
        measure = self.method.fit(self.shots.only(draw.supports), draw.seed)
        found = measure(self.shots.only(draw.queries)).scores.argmax(axis=1)
        return score_labels(draw.query_classes, found, draw.n_classes).confusion


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method on one area, means over draws.

    Parameters
    ----------
    method, area : str
    accuracy, f1 : float
        Single-hits against anything else.
    all_classes : float or None
        Accuracy over all classes; None where the method knows two.
    low, high : float
        Ends of the 95 % interval of the accuracy, over queries and draws.
    """

    method: str
    area: str
    accuracy: float
    f1: float
    all_classes: float | None
    low: float
    high: float


def measure_table1(
    shots: Mapping[Area, LabelledShots],
    methods: Sequence[Table1Method],
    *,
    draws: int,
    pool: int,
    seed: int,
    watch: ProgressFn[Task] = silent,
) -> list[Cell]:
    """Train every method on every draw of every area and score its queries.

    Parameters
    ----------
    shots : dict of Area to LabelledShots
        The same shots, with the mask of each area.
    methods : sequence of Table1Method
    draws : int
        Draws of labels.
    pool : int
        Shots of each class that are set aside for labels: the queries of a draw are
        the same for every method.
    seed : int
    watch : function
        For a progress bar.

    Raises
    ------
    DataError
        If there are not enough shots.
    """
    for found in shots.values():
        fewest = min(found.counts().values())
        if fewest <= pool:
            raise DataError(
                f"{fewest} shots of one class, more than {pool} expected: {pool} "
                "labels (--labels), and queries"
            )
    tasks = [
        Task(
            method=method,
            area=area,
            shots=of_area,
            draw=_draw(of_area, method.labels, pool, seed, number),
        )
        for method in methods
        for area, of_area in shots.items()
        for number in range(draws)
    ]
    confusions: dict[tuple[str, str], list[Indices]] = {}
    for task in watch(tasks):
        row = (task.method.name, task.area.words)
        confusions.setdefault(row, []).append(task.confusion())
    return [_cell(*row, of_draws) for row, of_draws in confusions.items()]


def _draw(shots: LabelledShots, labels: int, pool: int, seed: int, number: int) -> Draw:
    """Return labels and queries; the number of a draw is the seed of its trainings."""
    random = np.random.default_rng([seed, number])
    rows = [
        random.permutation(np.flatnonzero(shots.codes == code))
        for code, _ in zip(range(len(shots.classes)), QUERIES, strict=False)
    ]
    return Draw(
        supports_by_class=[of_class[:pool][:labels] for of_class in rows],
        queries_by_class=[
            of_class[pool:][:most]
            for of_class, most in zip(rows, QUERIES, strict=False)
        ],
        seed=number,
    )


def _cell(method: str, area: str, confusions: Sequence[Indices]) -> Cell:
    figures = np.array([_figures(confusion) for confusion in confusions])
    accuracy, f1, all_classes = figures.mean(axis=0)
    queries = float(np.mean([confusion.sum() for confusion in confusions]))
    low, high = shots_interval(figures[:, 0], queries)
    return Cell(
        method=method,
        area=area,
        accuracy=float(accuracy),
        f1=float(f1),
        all_classes=None if np.isnan(all_classes) else float(all_classes),
        low=low,
        high=high,
    )


def _figures(confusion: Indices) -> tuple[float, float, float]:
    """Return accuracy and F1 of single-hits, and accuracy over all classes or NaN."""
    of_singles = np.stack([confusion[0], confusion[1:].sum(axis=0)])
    single = np.stack([of_singles[:, 0], of_singles[:, 1:].sum(axis=1)], axis=1)
    knows_all = len(confusion) == 2 or confusion[:, 2:].any()
    score = score_confusion(single)
    every = score_confusion(confusion).accuracy if knows_all else float("nan")
    return score.accuracy, score.f1, every


def table1_json(cells: Iterable[Cell]) -> str:
    """Return what ``specklenn table1 --json`` writes."""
    return json.dumps([asdict(cell) for cell in cells], indent=2) + "\n"
