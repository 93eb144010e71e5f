"""Shots of a simulated experiment.

A shot is a pattern of a pool with fluence jitter and noise of its own; shot i
is a function of the seed and i alone, whoever draws it and in whatever batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.noise import measure
from specklenn.core.simulation.pools import Photons, Pool, make_pools

SHOT_STREAM = 2
EVERY_STREAM = 3
"""Keep the random numbers of shots apart from those of pools."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedShots:
    """Some shots of a simulated experiment.

    Parameters
    ----------
    patterns : (B, H, W) float32, photons per pixel
    labels, names : (B,) str
        Class and sample of each shot.
    """

    patterns: Photons
    labels: npt.NDArray[np.str_]
    names: npt.NDArray[np.str_]


class Factory:
    """Draws shots; the pools are made when it is built.

    Parameters
    ----------
    experiment : Experiment
    pools : list of Pool, optional
        Made from the experiment by default.
    """

    def __init__(self, experiment: Experiment, pools: list[Pool] | None = None) -> None:
        self.experiment = experiment
        self.pools = list(make_pools(experiment)) if pools is None else pools
        self.mask = experiment.detector.mask()
        self.classes = experiment.classes
        shares = np.array([experiment.fractions[name] for name in self.classes])
        self._shares = np.cumsum(shares / shares.sum())

    def shots(self, indices: npt.NDArray[np.int64]) -> SimulatedShots:
        """Draw the shots of these numbers.

        Parameters
        ----------
        indices : (B,) int64
            0 or more; the same number always gives the same shot.
        """
        patterns = np.empty((len(indices), *self.mask.shape), np.float32)
        found = []
        for row, index in enumerate(indices):
            random = np.random.default_rng(
                [self.experiment.seed, SHOT_STREAM, int(index)]
            )
            drawn = int(np.searchsorted(self._shares, random.random(), side="right"))
            label = self.classes[min(drawn, len(self.classes) - 1)]
            pool = self.pools[random.integers(len(self.pools))]
            choices = pool.patterns[label]
            expected = choices[random.integers(len(choices))]
            patterns[row] = measure(random, expected, self.experiment.noise, self.mask)
            found.append((label, pool.name))
        return SimulatedShots(
            patterns=patterns,
            labels=np.array([label for label, _ in found], np.str_),
            names=np.array([name for _, name in found], np.str_),
        )

    def every_pattern(self, stream: int = 0) -> SimulatedShots:
        """Draw one shot of every pattern of every pool, class after class.

        Parameters
        ----------
        stream : int
            Keeps the noise of one call apart from another's.
        """
        random = np.random.default_rng([self.experiment.seed, EVERY_STREAM, stream])
        patterns, found, names = [], [], []
        for pool in self.pools:
            for label in self.classes:
                for expected in pool.patterns[label]:
                    noise = self.experiment.noise
                    patterns.append(measure(random, expected, noise, self.mask))
                    found.append(label)
                    names.append(pool.name)
        return SimulatedShots(
            patterns=np.array(patterns, np.float32),
            labels=np.array(found, np.str_),
            names=np.array(names, np.str_),
        )
