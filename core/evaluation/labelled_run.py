"""A labelled run, classified as a run is: with given supports, every shot once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import IndexedSource
from specklenn.core.errors import DataError
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.flags import Flag
from specklenn.core.intervals import wilson_interval
from specklenn.core.labels import UNKNOWN
from specklenn.core.pipeline import Pipeline
from specklenn.core.rows import NO_CLASS, Rows

BATCH_SHOTS = 64

SKIPPED = "skipped"
"""What a shot that cannot be classified is called in the confusion."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifiedRun:
    """The shots of a run and what they were called.

    Parameters
    ----------
    classes : tuple of str
        Every label there is.
    rows : (N,) records
        As a run writes them, see `specklenn.core.rows`.
    truth : (N,) str
        Labels in the data, of any class; empty where a shot has none.
    """

    classes: tuple[str, ...]
    rows: Rows
    truth: npt.NDArray[np.str_]

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """What every shot was called, (N,) str; `SKIPPED` where it was not."""
        names = np.array([*self.classes, SKIPPED])
        codes = self.rows["label"]
        return names[np.where(codes == NO_CLASS, len(self.classes), codes)]

    @property
    def accuracy(self) -> float:
        """Share of right labels among shots whose label is a class of this run.

        Unknown and skipped shots count as wrong; NaN if there is no such shot.
        """
        return _mean(self._right[self._judged])

    @property
    def accuracy_of_known(self) -> float:
        """The same without the shots that are called unknown."""
        return _mean(self._right[self._judged & (self.labels != UNKNOWN)])

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % interval of `accuracy` over these shots; NaN where that is."""
        low, high = wilson_interval(self._right[self._judged].sum(), self.judged)
        return float(low), float(high)

    @property
    def judged(self) -> int:
        """How many shots have a label that is a class of this run."""
        return int(self._judged.sum())

    def share(self, flag: Flag) -> float:
        """Return the share with a flag among the shots that reached the network."""
        reached = np.isfinite(self.rows["score"])
        return _mean((self.rows["flags"][reached] & flag.bits) != 0)

    @property
    def confusion(self) -> Mapping[str, Mapping[str, int]]:
        """Shots by their label in the data and by what they were called."""
        labels, truth = self.labels, self.truth
        there = [name for name in (*self.classes, SKIPPED) if (labels == name).any()]
        own = [name for name in self.classes if (truth == name).any()]
        others = sorted(set(truth.tolist()).difference(self.classes, [""]))
        return {
            true: {
                name: int(((truth == true) & (labels == name)).sum()) for name in there
            }
            for true in [*own, *others]
        }

    @property
    def _judged(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.truth, [c for c in self.classes if c != UNKNOWN])

    @property
    def _right(self) -> npt.NDArray[np.bool_]:
        right: npt.NDArray[np.bool_] = self.labels == self.truth
        return right


def classify_run(
    pipeline: Pipeline, source: IndexedSource, watch: ProgressFn[int] = silent
) -> ClassifiedRun:
    """Classify every shot of a labelled run.

    Parameters
    ----------
    pipeline : Pipeline
    source : IndexedSource
    watch : function
        For a progress bar over batches.

    Raises
    ------
    DataError
        If no shot has a label.
    """
    first, last = source.first, source.first + len(source)
    rows, truth = [], []
    for start in watch(range(first, last, BATCH_SHOTS)):
        shots = source.read(start, min(start + BATCH_SHOTS, last))
        rows.append(pipeline.classify(shots).rows)
        truth.append(shots.truth)
    found = ClassifiedRun(
        classes=pipeline.classes, rows=np.concatenate(rows), truth=np.concatenate(truth)
    )
    if not (found.truth != "").any():
        raise DataError("no shot has a label, so nothing can be compared")
    return found


def _mean(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
