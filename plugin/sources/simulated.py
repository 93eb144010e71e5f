"""A live stream of simulated shots at a chosen rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator

from specklenn.core.data.frames import as_picture, as_pictures, module_count
from specklenn.core.data.shots import Shots
from specklenn.core.data.sources import ConfigFolder, Share, SourceSettings
from specklenn.core.errors import EndOfRun
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.settings_paths import located
from specklenn.core.simulation.experiment import Experiment
from specklenn.plugin.parallel.clock import Clock, SystemClock

if TYPE_CHECKING:
    from specklenn.core.simulation.simulator import PooledSimulator


class SimulatedSettings(SourceSettings):
    """A live stream of simulated shots.

    Parameters
    ----------
    kind : "simulated"
    rate_Hz : float
        Shots a second, dealt out to the workers in turn.
    duration_s : float
        Length of the run.
    buffer_shots : int
        A worker that is further behind loses the oldest shots, as at a beamline.
    experiment : Experiment
        Particles, detector, beam and noise; in YAML also the name of a file that
        describes it, the same that ``specklenn simulate`` takes.
    """

    kind: Literal["simulated"]
    rate_Hz: float = Field(default=120.0, gt=0, le=1e6)
    duration_s: float = Field(default=60.0, gt=0)
    buffer_shots: int = Field(default=240, ge=1)
    experiment: Experiment

    @field_validator("experiment", mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        """Read the experiment from the file that is named."""
        if not isinstance(value, str):
            return value
        return validate(Experiment, read_yaml(located(value, info.context)))

    @property
    def expected_shots(self) -> int:
        """Shots in the whole run."""
        return max(1, round(self.rate_Hz * self.duration_s))

    def mask(self, place: ConfigFolder) -> npt.NDArray[np.bool_]:
        """Return the bad pixels of the simulated detector."""
        return as_picture(self.experiment.detector.mask())

    def modules(self, place: ConfigFolder) -> int:
        """Return how many modules the simulated detector has."""
        return module_count((0, *self.experiment.detector.shape))

    def join(self, share: Share) -> SimulatedStream:
        """Make the particles' patterns, and a stream of them."""
        from specklenn.core.simulation.simulator import PooledSimulator

        return SimulatedStream(
            PooledSimulator(self.experiment),
            shots=self.expected_shots,
            rate_hz=self.rate_Hz,
            worker=share.worker,
            workers=share.workers,
            buffer_shots=self.buffer_shots,
            clock=SystemClock(),
        )


class SimulatedStream:
    """One worker's share of a simulated run: shots k, k + n, k + 2n, ...

    Shot i happens at start + i / rate by the common clock. A worker that is
    further behind than its buffer loses the oldest shots, as at a beamline.

    Parameters
    ----------
    shots : int
        Shots in the whole run.
    rate_hz : float
        Shots a second in the whole run.
    worker, workers : int
        This worker's number, from 0, of how many.
    """

    stall_reason = ""

    def __init__(
        self,
        simulator: PooledSimulator,
        *,
        shots: int,
        rate_hz: float,
        worker: int,
        workers: int,
        buffer_shots: int,
        clock: Clock,
    ) -> None:
        self.missed = 0
        self._simulator = simulator
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
        made = self._simulator.shots(indices)
        times = np.array([self._time_ns(int(i)) for i in indices], np.uint64)
        return Shots(
            index=indices,
            timestamp_ns=times,
            arrived_ns=times,
            frames=as_pictures(made.patterns),
            flags=np.zeros(len(indices), np.uint16),
            truth=made.labels,
        )
