"""When the shots of a sample happened, and at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt

EARLIEST_NS = 946_684_800 * 10**9
"""The year 2000: earlier times are no times of the Unix epoch in nanoseconds."""

LATEST_NS = 4_102_444_800 * 10**9
"""The year 2100."""


@dataclass(frozen=True, kw_only=True)
class EventTimes:
    """What the times of shots say.

    Parameters
    ----------
    first_ns, last_ns : int
        Unix epoch; 0 where no time is known.
    rate_Hz : float or None
        Shots per second, by the median of shots in a row; None where nobody knows.
    problem : str
        What is wrong with them, empty if nothing.
    """

    first_ns: int
    last_ns: int
    rate_Hz: float | None
    problem: str

    @property
    def words(self) -> str:
        """Beginning, end and rate."""
        if not self.first_ns:
            return "unknown"
        rate = "" if self.rate_Hz is None else f", {self.rate_Hz:.4g} Hz"
        return f"{_utc(self.first_ns)} to {_utc(self.last_ns)} UTC{rate}"


def event_times(
    index: npt.NDArray[np.int64], timestamp_ns: npt.NDArray[np.uint64]
) -> EventTimes:
    """Read the times of some shots of a run.

    Parameters
    ----------
    index : (n,) int64
        Numbers of the shots, increasing.
    timestamp_ns : (n,) uint64
        Unix epoch; 0 where nobody knows.
    """
    known = timestamp_ns > 0
    times = np.minimum(timestamp_ns[known], 2 * LATEST_NS).astype(np.int64)
    if not len(times):
        return EventTimes(first_ns=0, last_ns=0, rate_Hz=None, problem="")
    steps, gaps = np.diff(times), np.diff(index[known])
    in_a_row = steps[(gaps == 1) & (steps > 0)]
    rate = 1e9 / float(np.median(in_a_row)) if len(in_a_row) else None
    return EventTimes(
        first_ns=int(times[0]),
        last_ns=int(times[-1]),
        rate_Hz=rate,
        problem=_problem(times, steps, int((~known).sum())),
    )


def _problem(
    times: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], unknown: int
) -> str:
    if times.min() < EARLIEST_NS or times.max() > LATEST_NS:
        first, last = (_utc(int(each)) for each in (times.min(), times.max()))
        return f"{first} to {last}: are they nanoseconds of the Unix epoch?"
    if (steps < 0).any():
        back = int((steps < 0).sum())
        return f"{back} of {len(steps)} times are earlier than the one before"
    if len(steps) and not steps.any():
        return "all shots have the same time"
    return f"{unknown} shots have no time" if unknown else ""


def _utc(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
