"""How ranks talk: small tagged messages of bytes, point to point.

The loops know only the `Channel` protocol. `MpiChannel` carries it over MPI,
`in_memory_channels` inside one process, for a job of one and for tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

COLLECTOR = 0
"""The rank that gathers."""


class Kind(IntEnum):
    """What a message says; over MPI it is the tag."""

    # From a worker to the collector.
    READY = 1  # the source is open; name of the machine
    REQUEST = 2  # fewer than two leases are left
    REPORT = 3  # classified shots, see `specklenn.plugin.live.report`
    END = 4  # no more rows will come
    FAILED = 5  # name of the machine and traceback
    STALL_REASON = 14  # why a stream hands out no shots; empty once it does again
    BUILT = 12  # number of a version, and why it cannot be built here, if so
    IN_USE = 13  # number of the version that classifies from now on

    # From the collector to a worker.
    START = 6  # common start of a run, Unix epoch, nanoseconds
    LEASE = 7  # first shot to read, the one behind the last, where they lie
    STOP = 8  # the run is over
    OFFER = 9  # number of a version and what it is, to be built but not yet used
    SWITCH = 10  # number of the version to use from the next batch on
    DROP = 11  # number of a version that will not be used


@dataclass(frozen=True)
class Message:
    """One message as it arrived.

    Parameters
    ----------
    rank : int
        Who sent it.
    """

    kind: Kind
    rank: int
    payload: bytes


class Channel(Protocol):
    """The message endpoint of one rank."""

    @property
    def rank(self) -> int:
        """Number of our rank."""

    @property
    def unsent(self) -> int:
        """Messages that the other side has not taken yet."""

    def send(self, rank: int, kind: Kind, payload: bytes = b"") -> None:
        """Send without waiting; messages between two ranks keep their order."""

    def receive(self) -> Message | None:
        """Return the next message, or None if there is none now."""

    def flush(self) -> None:
        """Wait until everything sent has been taken."""


class InMemoryChannel:
    """A channel between roles of one process.

    Parameters
    ----------
    outboxes : dict of rank to deque
        Inboxes of those we can send to.
    """

    unsent = 0

    def __init__(
        self, rank: int, inbox: deque[Message], outboxes: dict[int, deque[Message]]
    ) -> None:
        self.rank = rank
        self._inbox = inbox
        self._outboxes = outboxes

    def send(self, rank: int, kind: Kind, payload: bytes = b"") -> None:
        """Put a message into a rank's inbox."""
        self._outboxes[rank].append(Message(kind, self.rank, payload))

    def receive(self) -> Message | None:
        """Take the oldest message of our inbox."""
        return self._inbox.popleft() if self._inbox else None

    def flush(self) -> None:
        """Nothing to wait for: every message lies in its inbox at once."""


def in_memory_channels(
    workers: Sequence[int],
) -> tuple[InMemoryChannel, dict[int, InMemoryChannel]]:
    """Return the collector's channel and those of its workers.

    A job of one has a worker of rank 0 beside its collector.
    """
    gathered: deque[Message] = deque()
    inboxes: dict[int, deque[Message]] = {rank: deque() for rank in workers}
    collector = InMemoryChannel(COLLECTOR, gathered, inboxes)
    return collector, {
        rank: InMemoryChannel(rank, inbox, {COLLECTOR: gathered})
        for rank, inbox in inboxes.items()
    }
