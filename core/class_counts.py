"""Mergeable counts of shots by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from specklenn.core.flags import count_reasons, is_skipped
from specklenn.core.rows import NO_CLASS, Rows


class ClassCounts:
    """Shots counted so far.

    Parameters
    ----------
    classes : sequence of str
        Every label there is.

    Attributes
    ----------
    counts : (classes,) int64
        Shots per label.
    confusion : (classes, classes) int64
        Truth by label, for the shots whose truth is known.
    skipped : dict of str to int
        Shots that could not be classified, per reason.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.counts = np.zeros(len(self.classes), np.int64)
        self.confusion: npt.NDArray[np.int64] = np.zeros(
            (len(self.classes), len(self.classes)), np.int64
        )
        self.skipped: dict[str, int] = {}

    @property
    def shots(self) -> int:
        """Shots counted, skipped ones included."""
        return int(self.counts.sum()) + self.skips

    @property
    def skips(self) -> int:
        """Shots that could not be classified."""
        return sum(self.skipped.values())

    def add(self, rows: Rows) -> None:
        """Count rows."""
        labelled = rows[~is_skipped(rows["flags"])]
        number = len(self.classes)
        self.counts += np.bincount(labelled["label"], minlength=number)
        known = labelled[labelled["truth"] != NO_CLASS]
        pairs = known["truth"].astype(np.int64) * number + known["label"]
        table = np.bincount(pairs, minlength=number * number)
        self.confusion += table.reshape(number, number)
        self._add_skips(count_reasons(rows["flags"]))

    def merge(self, other: ClassCounts) -> None:
        """Add other counts of the same classes."""
        self.counts += other.counts
        self.confusion += other.confusion
        self._add_skips(other.skipped)

    def _add_skips(self, reasons: dict[str, int]) -> None:
        for reason, count in reasons.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
