"""A dataset to be made, cut into blocks that anybody can make in any order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings
from specklenn.core.settings_paths import RELATIVE_TO
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.simulator import ShotSimulator, SimulatedShots, per_class

BLOCK_BYTES = 8_000_000
MOST_SHOTS = 64


class SimulationJob(Settings):
    """A simulated dataset.

    Parameters
    ----------
    experiment : Experiment
    folder : path
        Folder of the job's configuration.
    shots : int
        Shots in the whole dataset.
    per_class : int or None
        Shots of every class of every sample, sample after sample; by default
        every shot draws its class and its sample.
    live_Hz : float or None
        Rate at which the dataset is written; as fast as possible by default.
    """

    experiment: Experiment
    folder: Path = Path()
    shots: int = Field(ge=1)
    per_class: int | None = Field(default=None, ge=1)
    live_Hz: float | None = Field(default=None, gt=0)

    @property
    def described(self) -> str:
        """The job as JSON, without where it was done: what a file is made from."""
        return self.model_dump_json(
            exclude={"folder"}, context={RELATIVE_TO: self.folder}
        )

    @property
    def block_shots(self) -> int:
        """Shots in a block: the same for a job however many work on it."""
        frame = 4 * int(np.prod(self.experiment.detector.shape))
        return max(1, min(MOST_SHOTS, BLOCK_BYTES // frame))

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.shots // self.block_shots)

    def simulator(self) -> ShotSimulator:
        """Return the simulator that makes the shots."""
        if self.per_class is None:
            return ShotSimulator(self.experiment)
        plan = per_class(self.experiment.classes, self.per_class)
        # One sample after the other: none is needed again.
        return ShotSimulator(self.experiment, plan, most_bytes=0)


class BlockMaker:
    """Makes the blocks of a job, as shots or as bytes."""

    def __init__(self, job: SimulationJob) -> None:
        self.simulator = job.simulator()
        self._job = job

    def make(self, block: int) -> bytes:
        """Return a block's truth and patterns as bytes; see `unpack`."""
        shots = self.simulator.shots(self.indices(block))
        return shots.truth.tobytes() + shots.patterns.tobytes()

    def indices(self, block: int) -> npt.NDArray[np.int64]:
        """Return the shots of a block, (n,) int64."""
        size = self._job.block_shots
        return np.arange(block * size, min((block + 1) * size, self._job.shots))

    def unpack(self, block: int, packed: bytes) -> SimulatedShots:
        """Turn the bytes of a block into shots."""
        simulator, number = self.simulator, len(self.indices(block))
        truth = np.frombuffer(packed, simulator.dtype, number)
        patterns = np.frombuffer(packed, simulator.pattern_dtype, offset=truth.nbytes)
        return SimulatedShots(
            patterns=patterns.reshape(number, *simulator.geometry.shape), truth=truth
        )


def make_work(text: str) -> Callable[[int], bytes]:
    """Return what makes the blocks of a job given as JSON."""
    return BlockMaker(SimulationJob.model_validate_json(text)).make
