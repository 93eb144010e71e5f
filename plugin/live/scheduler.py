"""Which worker reads which shots, and which shots have a row.

Shots of files are leased to workers in ranges; what a rank held when it failed is
leased again. A stream splits itself between its workers and nothing is leased.
Either way a shot is counted exactly once, whatever arrives twice: `SeenShots`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import GrowingRun, IndexedSource, Places
from specklenn.core.errors import DataError
from specklenn.core.rows import Rows

Lease = tuple[int, int]
"""First shot, and the one behind the last."""


class SeenShots:
    """Remembers which shots have a row.

    Parameters
    ----------
    expected : int
        Shots in the run; 0 where nobody knows, then it grows.
    """

    def __init__(self, expected: int = 0) -> None:
        self._seen = np.zeros(max(expected, 1024), bool)
        self.accepted = 0

    def new(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return for each row whether its shot had none yet, (B,); remember them."""
        indices = rows["index"]
        if len(indices) and indices.max() >= len(self._seen):
            self._grow(int(indices.max()) + 1)
        _, first = np.unique(indices, return_index=True)
        new = np.zeros(len(indices), bool)
        new[first] = ~self._seen[indices[first]]
        self._seen[indices] = True
        self.accepted += int(new.sum())
        return new

    def open_ranges(self, start: int, stop: int) -> list[Lease]:
        """Return the ranges of shots without a row between two shots."""
        missing = np.flatnonzero(~self._seen[start:stop]) + start
        if len(missing) == 0:
            return []
        breaks = np.flatnonzero(np.diff(missing) > 1)
        firsts = missing[np.concatenate([[0], breaks + 1])]
        lasts = missing[np.concatenate([breaks, [len(missing) - 1]])]
        return [
            (int(first), int(last) + 1)
            for first, last in zip(firsts, lasts, strict=True)
        ]

    def _grow(self, needed: int) -> None:
        grown: npt.NDArray[np.bool_] = np.zeros(max(needed, 2 * len(self._seen)), bool)
        grown[: len(self._seen)] = self._seen
        self._seen = grown


class Scheduler(ABC):
    """Leases shots to workers, and lets each shot be counted once.

    Parameters
    ----------
    expected : int
        Shots in the run, 0 where nobody knows.
    first : int
        Number of the first shot.

    Attributes
    ----------
    failure : str
        Why no more shots can be leased though there may be some; else empty.
    """

    def __init__(self, expected: int, first: int = 0) -> None:
        self.expected = expected
        self.failure = ""
        self._seen_shots = SeenShots(first + expected)

    @property
    def stall_reason(self) -> str:
        """Why there is nothing to lease, a sentence; empty while there is."""
        return ""

    def look(self) -> None:  # noqa: B027
        """Look for more shots, where more may come."""

    def places(self, lease: Lease) -> Places:
        """Return where the shots of a lease lie; empty where every rank knows."""
        return []

    def closing_notes(self) -> list[str]:
        """Return what a person must know when the run has ended, sentences."""
        return []

    def accept(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which rows are to be counted, (B,); each shot once."""
        return self._seen_shots.new(rows)

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether every shot has a row, or no more will come."""

    @abstractmethod
    def request(self, rank: int) -> Lease | None:
        """Return a lease for a rank, or None if there is none now."""

    @abstractmethod
    def end(self, rank: int) -> None:
        """Note that a rank's share is over, for good or because it failed."""


class FileScheduler(Scheduler):
    """Leases ranges of a file, large ones first and small ones near the end.

    Parameters
    ----------
    shots : int
        Shots in the run.
    lease_shots : int
        Most shots of a lease.
    smallest : int
        Fewest, near the end.
    first : int
        Number of the first shot.
    """

    def __init__(
        self,
        shots: int,
        workers: int,
        lease_shots: int,
        smallest: int = 16,
        first: int = 0,
    ) -> None:
        super().__init__(shots, first)
        whole = [(first, first + shots)] if shots else []
        self._open: deque[Lease] = deque(whole)
        self._workers = max(workers, 1)
        self._largest = lease_shots
        self._smallest = min(smallest, lease_shots)
        self._held: dict[int, list[Lease]] = {}

    @property
    def finished(self) -> bool:
        """Whether every shot has a row."""
        return self._seen_shots.accepted >= self.expected

    def request(self, rank: int) -> Lease | None:
        """Lease the next range to a rank."""
        if not self._open:
            return None
        start, stop = self._open.popleft()
        left = stop - start + sum(b - a for a, b in self._open)
        fair = max(self._smallest, left // (2 * self._workers))
        end = min(stop, start + min(self._largest, fair))
        if end < stop:
            self._open.appendleft((end, stop))
        self._held.setdefault(rank, []).append((start, end))
        return start, end

    def end(self, rank: int) -> None:
        """Put what a rank held and did not finish back into the pool."""
        for start, stop in self._held.pop(rank, []):
            self._open.extendleft(reversed(self._seen_shots.open_ranges(start, stop)))


class GrowingScheduler(FileScheduler):
    """Leases ranges of files that are being written, as they come.

    Parameters
    ----------
    run : GrowingRun
    workers, lease_shots : int
        As of `FileScheduler`.
    """

    def __init__(self, run: GrowingRun, workers: int, lease_shots: int) -> None:
        number = run.stop - run.first
        super().__init__(number, workers, lease_shots, first=run.first)
        self._run = run
        self._stop = run.stop
        if run.live:
            self.expected = 0

    @property
    def finished(self) -> bool:
        """Whether every shot has a row, and no more will come."""
        total = self._stop - self._run.first
        return self._run.over and self._seen_shots.accepted >= total

    @property
    def stall_reason(self) -> str:
        """Why no shots come."""
        return self._run.stall_reason

    def look(self) -> None:
        """Add the shots that have come."""
        if self.failure:
            return
        try:
            self._run.look()
        except DataError as error:
            self.failure = str(error)
        if self._run.stop > self._stop:
            self._open.append((self._stop, self._run.stop))
            self._stop = self._run.stop

    def places(self, lease: Lease) -> Places:
        """Return where the shots of a lease lie."""
        return self._run.places(*lease)

    def closing_notes(self) -> list[str]:
        """Return what was noticed of the files."""
        return self._run.closing_notes()


class LiveScheduler(Scheduler):
    """Leases nothing: a stream splits itself between its workers.

    Parameters
    ----------
    workers : set of int
        Ranks that receive.
    expected : int
        Shots in the run if known, else 0.
    """

    def __init__(self, workers: set[int], expected: int = 0) -> None:
        super().__init__(expected)
        self._receiving = set(workers)

    @property
    def finished(self) -> bool:
        """Whether every worker's share is over."""
        return not self._receiving

    def request(self, rank: int) -> Lease | None:
        """Streams lease nothing."""
        return None

    def end(self, rank: int) -> None:
        """Note that a rank receives no more."""
        self._receiving.discard(rank)


def make_scheduler(
    source: IndexedSource | None,
    workers: Collection[int],
    lease_shots: int,
    expected: int = 0,
) -> Scheduler:
    """Return the scheduler of a run, or of a stream if there is none.

    Parameters
    ----------
    workers : collection of int
        Their ranks.
    expected : int
        Shots in a stream, 0 where nobody knows.
    """
    if source is None:
        return LiveScheduler(set(workers), expected)
    if isinstance(source, GrowingRun):
        return GrowingScheduler(source, len(workers), lease_shots)
    return FileScheduler(len(source), len(workers), lease_shots, first=source.first)
