"""What a worker reads of a file, and which of its pictures it sends."""

from __future__ import annotations

import logging
from collections import deque
from operator import attrgetter

import numpy as np

from specklenn.core.data.shots import (
    GrowingRun,
    IndexedSource,
    Places,
    Shots,
    ShotSource,
)
from specklenn.plugin.parallel.channel import COLLECTOR, Channel, Kind
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)


class LeaseFeed:
    """Reads the ranges that the collector leases, and asks for more in time."""

    def __init__(
        self, source: IndexedSource, channel: Channel, batch_shots: int
    ) -> None:
        self._source = source
        self._channel = channel
        self._batch = batch_shots
        self._leases: deque[tuple[int, int]] = deque()
        self._asked = False

    def add(self, start: int, stop: int, places: Places) -> None:
        """Take a lease, and where its shots lie if that is said."""
        if places and isinstance(self._source, GrowingRun):
            self._source.learn(start, stop, places)
        self._leases.append((start, stop))
        self._asked = False

    def next(self) -> Shots | None:
        """Read the next batch of the oldest lease; None if it cannot be read yet."""
        if len(self._leases) < 2 and not self._asked:
            self._channel.send(COLLECTOR, Kind.REQUEST)
            self._asked = True
        if not self._leases:
            return None
        start, stop = self._leases.popleft()
        end = min(stop, start + self._batch)
        if isinstance(self._source, GrowingRun) and not self._source.ready(start, end):
            self._leases.appendleft((start, stop))
            return None
        if end < stop:
            self._leases.appendleft((end, stop))
        return self._source.read(start, end)


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
    """Limits how many pictures of each class a worker sends, newest first."""

    def __init__(self, per_class: int, interval_s: float, clock: Clock) -> None:
        self._per_class = per_class
        self._interval = interval_s
        self._clock = clock
        self._until = -np.inf
        self._left: dict[int, int] = {}

    def choose(self, labels: np.ndarray[tuple[int], np.dtype[np.int8]]) -> list[int]:
        """Return the positions of the labels (B,) int8 whose pictures are sent."""
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
