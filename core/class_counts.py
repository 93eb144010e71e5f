"""Counts per class, with their intervals; tallies of parts add up to the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from specklenn.core.flags import count_reasons, is_skipped
from specklenn.core.rows import NO_CLASS, Rows

NORMAL_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(
    count: int, total: int, z: float = NORMAL_95
) -> tuple[float, float]:
    """Return the Wilson score interval of a rate.

    Parameters
    ----------
    count, total : int
        ``count`` of ``total`` shots; 0 of n and n of n are fine.
    z : float
        Normal quantile, 95 % by default.

    Returns
    -------
    (low, high) : float
        Between 0 and 1; (0, 1) where there is no shot.

    References
    ----------
    E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    if total == 0:
        return 0.0, 1.0
    rate = count / total
    weight = z * z / total
    middle = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / total + weight / total / 4)
    low = 0.0 if count == 0 else max(middle - half, 0.0)
    high = 1.0 if count == total else min(middle + half, 1.0)
    return low, high


class Tally:
    """What has been counted so far.

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
        Shots that could not be judged, per reason.
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
        """Shots that could not be judged."""
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

    def merge(self, other: Tally) -> None:
        """Add what another tally of the same classes counted."""
        self.counts += other.counts
        self.confusion += other.confusion
        self._add_skips(other.skipped)

    def _add_skips(self, reasons: dict[str, int]) -> None:
        for reason, count in reasons.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
