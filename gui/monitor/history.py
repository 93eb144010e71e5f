"""Cumulative counts over hours, and the rates that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specklenn.core.intervals import wilson_interval
from specklenn.gui.monitor.intervals import Counts, Floats

GAP_S = 3.0
"""Longer without a row is a gap; rows come every second."""

BIN_S = 1.0
LONGEST_ROWS = 90_000
"""A little more than 24 h of 1 s rows."""

MOST_POINTS = 2_000
"""Points of a drawn curve; longer stretches are thinned."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RateSeries:
    """Rates over time, as fractions of one, NaN where there is nothing to say.

    Parameters
    ----------
    times : (points,) float64
        Ends of the boxcars, Unix epoch seconds.
    rates, low, high : (points, classes) float64
        Rate and its 95 % interval.
    boxcar_s : float
        Length of the moving average, seconds.
    """

    times: Floats
    rates: Floats
    low: Floats
    high: Floats
    boxcar_s: float


class History:
    """Counts of every class at 1 s steps, growing through restarts of the run.

    Parameters
    ----------
    classes : int
        Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._times = np.empty(1024, np.float64)
        self._counts = np.empty((1024, classes), np.int64)
        self._stretch = np.empty(1024, np.float64)
        self._rows = 0
        self._offset = np.zeros(classes, np.int64)
        self._raw = np.zeros(classes, np.int64)
        self._stretch_broken = True
        self._head_time = float("-inf")
        self._head = np.zeros(classes, np.int64)

    @property
    def revision(self) -> tuple[float, int]:
        """Another value after every row that was added."""
        return (self._last_time, self._rows)

    @property
    def start_s(self) -> float:
        """Time of the oldest row, NaN while there is none."""
        return float(self._times[0]) if self._rows else float("nan")

    @property
    def end_s(self) -> float:
        """Time of the newest counts, NaN while there are none."""
        return self._head_time if self._rows else float("nan")

    def restart(self) -> None:
        """Say that the counters begin again at zero."""
        self._offset = self._head.copy()
        self._raw = np.zeros_like(self._raw)
        self._stretch_broken = True

    def merge(
        self, times: Floats, counts: Counts, head_time: float, head: Counts
    ) -> None:
        """Take over what is new in a message.

        Parameters
        ----------
        times : (rows,) float64
            Unix epoch seconds.
        counts : (rows, classes) int64
            Cumulative since the counters began.
        head_time, head : float, (classes,) int64
            Time and counts of the message itself.
        """
        if (head < self._raw).any():
            self.restart()
        keep = self._credible(times, counts, head_time, head)
        self._append(times[keep], counts[keep])
        if head_time - self._last_time >= BIN_S:
            self._append(np.array([head_time]), head[None])
        self._head_time = max(head_time, self._last_time)
        self._head = self._offset + head

    def window(self, length_s: float) -> tuple[Counts, float]:
        """Count what came within the last `length_s` seconds.

        Returns
        -------
        (classes,) int64, float
            Shots per class, and the seconds that they really cover: less than
            asked while the history is shorter, and up to one row less always.
        """
        if not self._rows:
            return np.zeros_like(self._head), 0.0
        times = self._times[: self._rows]
        first = int(np.searchsorted(times, self._head_time - length_s - 1e-6))
        first = min(first, self._rows - 1)
        over_s = self._head_time - float(times[first])
        return self._head - self._counts[first], over_s

    def series(self, length_s: float, boxcar_s: float) -> RateSeries:
        """Rates within the last `length_s` seconds as a moving average.

        A point is NaN unless its whole boxcar lies in one stretch without gap or
        restart and holds at least one shot.
        """
        times = self._times[: self._rows]
        first = int(np.searchsorted(times, self._head_time - length_s - 1e-6))
        step = max(1, -(-(self._rows - first) // MOST_POINTS))
        boxcar_s = max(boxcar_s, (step + 1) * BIN_S) if step > 1 else boxcar_s
        picked = np.arange(-(-first // step) * step, self._rows, step)
        ends = times[picked]
        base = np.searchsorted(times, ends - boxcar_s - BIN_S / 2)
        hits = self._counts[picked] - self._counts[base]
        shots = hits.sum(axis=1, keepdims=True)
        full = self._stretch[picked] <= ends - boxcar_s + BIN_S / 2
        shots = np.where(full[:, None], shots, 0)
        low, high = wilson_interval(hits, shots)
        rates = hits / np.where(shots > 0, shots, np.nan)
        return RateSeries(
            times=ends, rates=rates, low=low, high=high, boxcar_s=boxcar_s
        )

    @property
    def _last_time(self) -> float:
        return float(self._times[self._rows - 1]) if self._rows else float("-inf")

    def _credible(
        self, times: Floats, counts: Counts, head_time: float, head: Counts
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Mark new rows whose times and counts rise and stay below the head."""
        sane = (times <= head_time) & (counts <= head).all(axis=1)
        newest = np.maximum.accumulate(np.where(sane, times, -np.inf))
        before = np.concatenate([[self._last_time], newest])[:-1]
        grown = np.maximum.accumulate(np.where(sane[:, None], counts, 0), axis=0)
        rising = (counts >= np.maximum(grown, self._raw)).all(axis=1)
        marked: np.ndarray[tuple[int], np.dtype[np.bool_]]
        marked = sane & rising & (times > np.maximum(before, self._last_time))
        return marked

    def _append(self, times: Floats, counts: Counts) -> None:
        if not len(times):
            return
        self._make_room(len(times))
        here = slice(self._rows, self._rows + len(times))
        self._stretch[here] = self._stretch_starts(times)
        self._times[here] = times
        self._counts[here] = counts + self._offset
        self._raw = counts[-1].copy()
        self._rows += len(times)

    def _stretch_starts(self, times: Floats) -> Floats:
        """Start of the stretch without a gap that each new row belongs to."""
        before = np.concatenate([[self._last_time], times[:-1]])
        begins = times - before > GAP_S
        begins[0] |= self._stretch_broken
        self._stretch_broken = False
        carried = self._stretch[self._rows - 1] if self._rows else times[0]
        return np.maximum.accumulate(np.where(begins, times, carried))

    def _make_room(self, rows: int) -> None:
        surplus = self._rows + rows - LONGEST_ROWS
        if surplus > 0:
            self._forget(min(self._rows, max(surplus, LONGEST_ROWS // 20)))
        if self._rows + rows > len(self._times):
            size = max(2 * len(self._times), self._rows + rows)
            self._times = np.resize(self._times, size)
            self._stretch = np.resize(self._stretch, size)
            self._counts = np.resize(self._counts, (size, self._counts.shape[1]))

    def _forget(self, rows: int) -> None:
        for column in (self._times, self._stretch, self._counts):
            column[: self._rows - rows] = column[rows : self._rows].copy()
        self._rows -= rows
