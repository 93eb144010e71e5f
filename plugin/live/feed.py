"""Where a worker's next shots come from, and which of their pictures travel."""

from __future__ import annotations

import logging
from collections import deque
from operator import attrgetter
from typing import Protocol

import numpy as np

from specklenn.core.data.shots import IndexedSource, LiveSource, Shots, ShotSource
from specklenn.plugin.parallel.channel import COLLECTOR, Channel, Kind
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)


class Feed(Protocol):
    """Where a worker's next shots come from."""

    @property
    def missed(self) -> int:
        """Shots lost since the start."""

    @property
    def stall_reason(self) -> str:
        """Why no shots come, a sentence; empty while they do."""

    def next(self) -> Shots | None:
        """Return shots, or None if there are none now; raises EndOfRun."""


class LeaseFeed:
    """Reads the ranges that the collector leases, and asks for more in time.

    Parameters
    ----------
    source : IndexedSource
    channel : Channel
    batch_shots : int
    """

    missed = 0
    stall_reason = ""

    def __init__(
        self, source: IndexedSource, channel: Channel, batch_shots: int
    ) -> None:
        self._source = source
        self._channel = channel
        self._batch = batch_shots
        self._leases: deque[tuple[int, int]] = deque()
        self._asked = False

    def add(self, start: int, stop: int) -> None:
        """Take a lease."""
        self._leases.append((start, stop))
        self._asked = False

    def next(self) -> Shots | None:
        """Read the next batch of the oldest lease."""
        if len(self._leases) < 2 and not self._asked:
            self._channel.send(COLLECTOR, Kind.REQUEST)
            self._asked = True
        if not self._leases:
            return None
        start, stop = self._leases.popleft()
        end = min(stop, start + self._batch)
        if end < stop:
            self._leases.appendleft((end, stop))
        return self._source.read(start, end)


class LiveFeed:
    """Receives this worker's share of a stream.

    Parameters
    ----------
    source : LiveSource
    batch_shots : int
    wait_s : float
    """

    def __init__(self, source: LiveSource, batch_shots: int, wait_s: float) -> None:
        self._source = source
        self._batch = batch_shots
        self._wait = wait_s

    @property
    def missed(self) -> int:
        """Shots lost since the start."""
        return self._source.missed

    @property
    def stall_reason(self) -> str:
        """Why no shots come, as the source says."""
        return self._source.stall_reason

    def next(self) -> Shots | None:
        """Wait a little for shots."""
        return self._source.receive(self._batch, self._wait)


def with_stall_reason(source: ShotSource) -> ShotSource:
    """Let a stream of the version before, which says `trouble`, say `stall_reason`."""
    kind, (old, new) = type(source), ("trouble", "stall_reason")
    if hasattr(source, old) and not hasattr(source, new):
        log.warning(
            "%s.%s is called %s now; the old name is read for now",
            kind.__name__,
            old,
            new,
        )
        setattr(kind, new, property(attrgetter(old)))
    return source


class ExampleBudget:
    """Limits how many pictures of each class travel, newest first.

    Parameters
    ----------
    per_class : int
    interval_s : float
    clock : Clock
    """

    def __init__(self, per_class: int, interval_s: float, clock: Clock) -> None:
        self._per_class = per_class
        self._interval = interval_s
        self._clock = clock
        self._until = -np.inf
        self._left: dict[int, int] = {}

    def choose(self, labels: np.ndarray[tuple[int], np.dtype[np.int8]]) -> list[int]:
        """Return the positions of the labels (B,) int8 that may travel."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._until = now + self._interval
            self._left = {}
        chosen: list[int] = []
        for label in np.unique(labels[labels >= 0]):
            left = self._left.get(int(label), self._per_class)
            newest = np.flatnonzero(labels == label)[::-1][:left]
            self._left[int(label)] = left - len(newest)
            chosen.extend(int(position) for position in newest)
        return sorted(chosen)
