"""Shots of a simulated experiment.

Shot i is a function of the experiment and i alone, whoever draws it and in
whatever batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.debris import background
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.exposure import Exposure, expose
from specklenn.core.simulation.noise import Readout, draw_jitter
from specklenn.core.simulation.sample_library import MOST_BYTES, SampleLibrary
from specklenn.core.simulation.truth import fill_row, truth_dtype

POOL_STREAM, SHOT_STREAM = 1, 2
"""Keep the random numbers of pools and of shots apart."""

MOST_PHOTONS = np.iinfo(np.uint16).max

SamplingPlan = Callable[[int, np.random.Generator], tuple[str, int]]
"""Gives the class of the shot of a number, and the number of its sample."""

Choose = Callable[[np.random.Generator, str, int], Exposure]


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedShots:
    """Some shots of a simulated experiment.

    Parameters
    ----------
    patterns : (B, ...) float32 or uint16
        Photons per pixel (or ADU), of the detector's shape; whole numbers where
        the detector counts photons.
    truth : (B,) structured
        See `specklenn.core.simulation.truth.truth_dtype`.
    """

    patterns: npt.NDArray[Any]
    truth: npt.NDArray[np.void]

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """Class of each shot, (B,)."""
        return self.truth["label"]

    @property
    def names(self) -> npt.NDArray[np.str_]:
        """Sample of each shot, (B,)."""
        return self.truth["name"]

    def behind(self, first: int) -> SimulatedShots:
        """Return the shots without the first ones."""
        return SimulatedShots(patterns=self.patterns[first:], truth=self.truth[first:])


def mixture(experiment: Experiment, samples: int) -> SamplingPlan:
    """Draw every shot's class by the experiment's fractions, and any of the samples."""
    classes = experiment.classes
    shares = np.array([experiment.fractions[name] for name in classes])
    limits = np.cumsum(shares / shares.sum())

    def plan(index: int, random: np.random.Generator) -> tuple[str, int]:
        drawn = int(np.searchsorted(limits, random.random(), side="right"))
        label = classes[min(drawn, len(classes) - 1)]
        return label, int(random.integers(samples))

    return plan


def per_class(classes: tuple[str, ...], each: int) -> SamplingPlan:
    """Plan `each` shots of every class of every sample, sample after sample."""

    def plan(index: int, random: np.random.Generator) -> tuple[str, int]:
        group = index // each
        return classes[group % len(classes)], group // len(classes)

    return plan


class ShotSimulator:
    """Makes every shot anew: forms, orientations, places, fluence and noise.

    Parameters
    ----------
    experiment : Experiment
    plan : SamplingPlan, optional
        A mixture by the experiment's fractions by default.
    most_bytes : int
        Memory for samples made ready.
    """

    def __init__(
        self,
        experiment: Experiment,
        plan: SamplingPlan | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        detector = experiment.detector
        self.experiment = experiment
        self.mask = detector.mask()
        self.geometry = Geometry.of(detector)
        self.samples = SampleLibrary(experiment, self.geometry, most_bytes)
        self._plan = plan or mixture(experiment, len(self.samples))
        self.dtype = truth_dtype(max(experiment.hits))
        counts = experiment.noise.counts_photons
        self.pattern_dtype = np.dtype(np.uint16 if counts else np.float32)
        self._readout = Readout(experiment.noise, self.mask, experiment.seed)
        self._background = background(self.geometry, experiment.background_photons)

    def expose(self, random: np.random.Generator, label: str, sample: int) -> Exposure:
        """Draw one noise-free shot of a class of a sample, by its number."""
        found = self.samples[sample]
        conditions = self.samples.conditions(sample)
        return expose(random, conditions, self.geometry, label, found)

    def shots(
        self, indices: npt.NDArray[np.int64], choose: Choose | None = None
    ) -> SimulatedShots:
        """Draw the shots of these numbers.

        Parameters
        ----------
        indices : (B,) int64
            0 or more; the same number always gives the same shot.
        choose : function, optional
            Gives an exposure of a class of a sample; a new one by default.
        """
        shape = (len(indices), *self.geometry.shape)
        patterns = np.empty(shape, self.pattern_dtype)
        truth = np.empty(len(indices), self.dtype)
        streams = [self._random(int(index)) for index in indices]
        planned = [
            self._plan(int(index), random)
            for index, random in zip(indices, streams, strict=True)
        ]
        # Shots of one sample after each other: it is made ready only once.
        for row in sorted(range(len(indices)), key=lambda row: planned[row][1]):
            label, sample = planned[row]
            exposure = (choose or self.expose)(streams[row], label, sample)
            truth[row]["label"] = label
            truth[row]["name"] = exposure.name
            patterns[row] = self._measure(streams[row], exposure, truth[row])
        return SimulatedShots(patterns=patterns, truth=truth)

    def _random(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.experiment.seed, SHOT_STREAM, index])

    def _measure(
        self, random: np.random.Generator, exposure: Exposure, row: np.void
    ) -> npt.NDArray[np.float32]:
        """Draw what the detector reads and fill in what is known."""
        jitter = draw_jitter(random, self.experiment.noise)
        fill_row(row, exposure.particles, jitter, exposure.debris)
        expected = exposure.expected + self._background
        read = self._readout.measure(
            random, expected.reshape(self.geometry.shape), jitter
        )
        if self.experiment.noise.counts_photons:
            read = np.minimum(read, MOST_PHOTONS)
        return read


class PooledSimulator:
    """Draws shots from pools of exposures: faster than each could be made anew.

    The exposures are noise free and made at once; every shot has jitter and noise of
    its own. For live streams.

    Parameters
    ----------
    experiment : Experiment
        Its ``pool`` says how many exposures each class of each sample has.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.simulator = ShotSimulator(experiment)
        self.mask = self.simulator.mask
        random = np.random.default_rng([experiment.seed, POOL_STREAM])
        self._pools = {
            (label, sample): [
                self.simulator.expose(random, label, sample)
                for _ in range(experiment.pool)
            ]
            for sample in range(len(self.simulator.samples))
            for label in experiment.classes
        }

    def shots(self, indices: npt.NDArray[np.int64]) -> SimulatedShots:
        """Draw the shots of these numbers, see `ShotSimulator.shots`."""
        return self.simulator.shots(indices, self._choose)

    def _choose(self, random: np.random.Generator, label: str, sample: int) -> Exposure:
        pool = self._pools[label, sample]
        return pool[random.integers(len(pool))]
