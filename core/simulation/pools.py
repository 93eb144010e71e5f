"""Shots for a live stream: drawn from a pool, faster than each could be made anew.

The exposures of a pool are noise free; every shot has jitter and noise of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.exposure import Exposure
from specklenn.core.simulation.simulator import ShotSimulator, SimulatedShots

POOL_STREAM = 1
"""Keeps the random numbers of pools apart from those of shots."""


class PooledSimulator:
    """Draws shots from pools that are made when it is built.

    Parameters
    ----------
    experiment : Experiment
        Its ``pool`` says how many exposures each class of each sample has.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.factory = ShotSimulator(experiment)
        self.mask = self.factory.mask
        random = np.random.default_rng([experiment.seed, POOL_STREAM])
        self._pools = {
            (label, sample): [
                self.factory.expose(random, label, sample)
                for _ in range(experiment.pool)
            ]
            for sample in range(len(self.factory.catalogue))
            for label in experiment.classes
        }

    def shots(self, indices: npt.NDArray[np.int64]) -> SimulatedShots:
        """Draw the shots of these numbers.

        Parameters
        ----------
        indices : (B,) int64
            0 or more; the same number always gives the same shot.
        """
        return self.factory.shots(indices, self._choose)

    def _choose(self, random: np.random.Generator, label: str, sample: int) -> Exposure:
        pool = self._pools[label, sample]
        return pool[random.integers(len(pool))]
