"""A live stream of simulated shots at a chosen rate."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import EndOfRun
from specklenn.core.files import as_pictures
from specklenn.core.shots import Shots
from specklenn.plugin.clock import Clock


class SimulatedFrames(Protocol):
    """Frames with their truth."""

    @property
    def patterns(self) -> npt.NDArray[Any]:
        """(B, H, W) or (B, modules, H, W) photons per pixel."""

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """(B,) classes."""


class ShotFactory(Protocol):
    """Makes the same shot for the same number, whoever asks."""

    def shots(self, indices: npt.NDArray[np.int64]) -> SimulatedFrames:
        """Return the shots of these numbers."""


class SimulatedStream:
    """One worker's share of a simulated run: shots k, k + n, k + 2n, ...

    Shot i happens at start + i / rate by the common clock. A worker that is
    further behind than its buffer loses the oldest shots, as at a beamline.

    Parameters
    ----------
    factory : ShotFactory
    shots : int
        Shots in the whole run.
    rate_hz : float
        Of the whole run.
    worker, workers : int
        This worker's number, from 0, of how many.
    buffer_shots : int
    clock : Clock
    """

    def __init__(
        self,
        factory: ShotFactory,
        *,
        shots: int,
        rate_hz: float,
        worker: int,
        workers: int,
        buffer_shots: int,
        clock: Clock,
    ) -> None:
        self.missed = 0
        self._factory = factory
        self._shots = shots
        self._period_ns = 1e9 / rate_hz
        self._next = worker
        self._stride = workers
        self._buffer = buffer_shots
        self._clock = clock
        self._start_ns = 0

    def start(self, start_ns: int) -> None:
        """Begin at this wall time, Unix epoch, nanoseconds."""
        self._start_ns = start_ns

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return the shots that have happened, or wait a little for one.

        Raises
        ------
        EndOfRun
            Behind the last shot of this share.
        """
        if self._next >= self._shots:
            raise EndOfRun
        wait_s = (self._time_ns(self._next) - self._clock.wall_ns()) / 1e9
        if wait_s > 0:
            self._clock.sleep(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        due = self._due()
        self._drop_oldest(due - self._buffer)
        number = max(1, min(most, due, self._buffer))
        indices = self._next + self._stride * np.arange(number, dtype=np.int64)
        self._next = int(indices[-1]) + self._stride
        return self._made(indices)

    def close(self) -> None:
        """Nothing is open."""

    def _time_ns(self, index: int) -> int:
        return self._start_ns + round(index * self._period_ns)

    def _due(self) -> int:
        """Return how many shots of this share have happened and wait."""
        elapsed = self._clock.wall_ns() - self._start_ns
        newest = min(int(elapsed / self._period_ns), self._shots - 1)
        return max(0, (newest - self._next) // self._stride + 1)

    def _drop_oldest(self, excess: int) -> None:
        if excess > 0:
            self.missed += excess
            self._next += excess * self._stride

    def _made(self, indices: npt.NDArray[np.int64]) -> Shots:
        made = self._factory.shots(indices)
        times = np.array([self._time_ns(int(i)) for i in indices], np.uint64)
        return Shots(
            index=indices,
            timestamp_ns=times,
            arrived_ns=times,
            frames=as_pictures(made.patterns),
            flags=np.zeros(len(indices), np.uint16),
            truth=made.labels,
        )
