"""Time, handed in from outside so that every loop runs in a test."""

from __future__ import annotations

import math
import time
from typing import Protocol


class Clock(Protocol):
    """What the loops need to know of time."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def wall_ns(self) -> int:
        """Unix epoch, nanoseconds."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """Return the Unix epoch in nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class Backoff:
    """Sleeps longer the longer there is nothing to do, and never spins.

    Parameters
    ----------
    shortest_s, longest_s : float
        First and longest nap.
    """

    def __init__(
        self, clock: Clock, shortest_s: float = 0.0002, longest_s: float = 0.002
    ) -> None:
        self._clock = clock
        self._shortest = shortest_s
        self._longest = longest_s
        self._nap = shortest_s

    def after(self, worked: bool) -> None:
        """Sleep if the last step did nothing."""
        if worked:
            self._nap = self._shortest
            return
        self._clock.sleep(self._nap)
        self._nap = min(self._nap * 2, self._longest)


class Periodic:
    """Tells when something is due that is done once in a period."""

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._next = -math.inf

    def due(self, now_s: float) -> bool:
        """Return True once a period."""
        if now_s < self._next:
            return False
        self._next = now_s + self._period
        return True
