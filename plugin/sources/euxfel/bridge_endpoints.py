"""Which worker reads which bridges, and which trains of a broadcast are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EndpointShare:
    """A worker's part in one endpoint.

    Parameters
    ----------
    reader, readers : int
        This worker's number among the workers there, from 0, and how many there are.
    """

    endpoint: str
    reader: int = 0
    readers: int = 1

    def has(self, train_id: int) -> bool:
        """Whether a train that every reader receives is this worker's."""
        return train_id % self.readers == self.reader

    def between(self, before: int, after: int) -> int:
        """Count this worker's train ids between two others."""

        def upto(last: int) -> int:
            return (last - self.reader) // self.readers

        return max(0, upto(after - 1) - upto(before))


def endpoints_of(
    endpoints: Sequence[str], worker: int, workers: int
) -> list[EndpointShare]:
    """Return a worker's endpoints, so that each has a reader and each reader one."""
    number = len(endpoints)
    if number >= workers:
        return [EndpointShare(endpoint=name) for name in endpoints[worker::workers]]
    readers = len(range(worker % number, workers, number))
    return [
        EndpointShare(
            endpoint=endpoints[worker % number],
            reader=worker // number,
            readers=readers,
        )
    ]
