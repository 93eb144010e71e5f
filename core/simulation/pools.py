"""Pools of expected patterns: made once, the same on every process.

A pool holds the noise-free patterns of one sample, from which any number of
shots are drawn (`specklenn.core.simulation.factory`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core import labels
from specklenn.core.simulation.aggregates import dispersed, touching
from specklenn.core.simulation.debris import background, draw_debris
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.experiment import Experiment, samples
from specklenn.core.simulation.scattering import (
    Amplitudes,
    amplitudes,
    displaced_sum,
    expected_photons,
    random_rotations,
)
from specklenn.core.simulation.structures import Structure

Photons = npt.NDArray[np.float32]

POOL_STREAM = 1
"""Keeps the random numbers of pools apart from those of shots."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Noise-free patterns of one sample.

    Parameters
    ----------
    name : str
        Of the sample.
    patterns : dict of class to (pool, H, W) float32, expected photons per pixel
    """

    name: str
    patterns: dict[str, Photons]


def make_pools(experiment: Experiment, threads: int = 1) -> Iterator[Pool]:
    """Make the pools of an experiment, one sample at a time.

    Parameters
    ----------
    experiment : Experiment
    threads : int
        Threads of the Fourier transforms.
    """
    for number, structure in enumerate(samples(experiment)):
        random = np.random.default_rng([experiment.seed, POOL_STREAM, number])
        yield make_pool(experiment, structure, random, threads)


def make_pool(
    experiment: Experiment,
    structure: Structure,
    random: np.random.Generator,
    threads: int = 1,
) -> Pool:
    """Make the pool of one sample.

    Every single-hit has an orientation of its own; multi-hits put together
    particles of these same orientations anew.
    """
    geometry = Geometry.of(experiment.detector)
    rotations = random_rotations(random, experiment.pool)
    fields = amplitudes(structure, geometry.q, rotations, threads)
    extra = background(geometry, experiment.background_photons)
    patterns = {}
    for label in experiment.classes:
        stack = np.empty((experiment.pool, *geometry.shape), np.float32)
        for row in range(experiment.pool):
            expected = _expected(
                experiment, label, row, structure, fields, geometry, random
            )
            stack[row] = (expected + extra).reshape(geometry.shape)
        patterns[label] = stack
    return Pool(name=structure.name, patterns=patterns)


def _expected(
    experiment: Experiment,
    label: str,
    row: int,
    structure: Structure,
    fields: Amplitudes,
    geometry: Geometry,
    random: np.random.Generator,
) -> Photons:
    """Return one noise-free pattern without background, (P,) float32."""
    fluence = experiment.fluence * experiment.beam.fluence
    if label == labels.NO_HIT:
        return np.zeros(len(geometry.q), np.float32)
    if label == labels.NON_SAMPLE_HIT:
        return draw_debris(random, experiment.debris, geometry, fluence)
    field = fields[row]
    if label == labels.MULTI_HIT:
        number = experiment.hits[random.integers(len(experiment.hits))]
        chosen = fields[random.integers(len(fields), size=number)]
        positions = _positions(experiment, number, structure, random)
        field = displaced_sum(chosen, positions, geometry.q)
    return expected_photons(field, geometry.cross_sections, fluence)


def _positions(
    experiment: Experiment,
    number: int,
    structure: Structure,
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    if experiment.placement == "dispersed":
        return dispersed(random, number, experiment.beam.focus_radius_m * 1e10)
    return touching(random, np.full(number, structure.radius_angstrom))
