"""A simulated experiment: settings, pools of expected patterns, and shots.

A pool holds noise-free patterns of one sample, made once and the same on every
process that asks with the same settings. A shot is a pattern of a pool with
fluence jitter and noise of its own; shot i is a function of the seed and i
alone, whoever draws it and in whatever batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from specklenn.core import labels
from specklenn.core.aggregates import dispersed, touching
from specklenn.core.debris import Debris, background, draw_debris
from specklenn.core.detector import Detector, Geometry
from specklenn.core.noise import Noise, measure
from specklenn.core.particles import make_particle
from specklenn.core.scattering import (
    Amplitudes,
    amplitudes,
    displaced_sum,
    expected_photons,
    random_rotations,
)
from specklenn.core.settings import Settings
from specklenn.core.structures import Structure, read_structure

Photons = npt.NDArray[np.float32]

POOL_STREAM = 1
SHOT_STREAM = 2
EVERY_STREAM = 3
"""Keep the random numbers of pools and of shots apart."""


class Procedural(Settings):
    """Particles made from a seed, see `specklenn.core.particles`.

    Parameters
    ----------
    count : int
        How many.
    seed : int
    atoms : (fewest, most)
    """

    count: int = Field(default=2, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0)
    atoms: tuple[int, int] = (10_000, 100_000)


class Beam(Settings):
    """The X-ray pulse in the focus.

    Parameters
    ----------
    photons_per_pulse : float
    focus_radius_m : float
        The fluence is even over a disc of this radius.
    """

    photons_per_pulse: float = Field(default=1e12, gt=0)
    focus_radius_m: float = Field(default=0.5e-6, gt=0)

    @property
    def fluence(self) -> float:
        """Photons per square angstrom."""
        return self.photons_per_pulse / (np.pi * (self.focus_radius_m * 1e10) ** 2)


class Experiment(Settings):
    """A simulated experiment.

    Parameters
    ----------
    seed : int
    detector : Detector
    beam : Beam
    fluence : float
        Factor on the photons of a pulse, 1 is the benchmark's baseline.
    noise : Noise
    structures : list of path
        PDB, mmCIF or npz files; a folder stands for all such files in it.
    procedural : Procedural or None
        Particles made from a seed, beside the structures.
    fractions : dict of class to share
        Of shots; the shares are normalised.
    hits : tuple of int
        Numbers of particles in a multi-hit, drawn with equal chance.
    placement : {"touching", "dispersed"}
        Whether the particles of a multi-hit form an aggregate.
    debris : Debris
        What non-sample-hits are.
    background_photons : float
        Mean photons of background on the detector in every shot.
    pool : int
        Noise-free patterns per class and sample.
    """

    seed: int = Field(default=0, ge=0)
    detector: Detector = Detector()
    beam: Beam = Beam()
    fluence: float = Field(default=1.0, gt=0)
    noise: Noise = Noise()
    structures: tuple[Path, ...] = ()
    procedural: Procedural | None = None
    fractions: dict[str, float] = Field(
        default={labels.SINGLE_HIT: 0.5, labels.MULTI_HIT: 0.5}
    )
    hits: tuple[int, ...] = Field(default=(2, 3, 4), min_length=1)
    placement: Literal["touching", "dispersed"] = "touching"
    debris: Debris = Debris()
    background_photons: float = Field(default=0.0, ge=0)
    pool: int = Field(default=64, ge=1, le=100_000)

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        unknown = sorted(set(self.fractions) - set(labels.SIMULATED))
        if unknown:
            raise ValueError(
                f"fractions: unknown classes {unknown}, {labels.SIMULATED} expected"
            )
        shares = list(self.fractions.values())
        if min(shares, default=-1) < 0 or sum(shares) <= 0:
            raise ValueError("fractions: shares of 0 or more and some above 0 expected")
        if min(self.hits) < 2:
            raise ValueError(
                f"hits: {self.hits}, a multi-hit has two particles or more"
            )
        if not self.structures and self.procedural is None:
            raise ValueError("structures or procedural: at least one sample expected")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur, in display order."""
        return tuple(
            name for name in labels.SIMULATED if self.fractions.get(name, 0) > 0
        )

    def located(self, folder: Path) -> Experiment:
        """Return the same experiment with relative paths taken from a folder."""
        paths = tuple(folder / path for path in self.structures)
        return self.model_copy(update={"structures": paths})


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


def find_structures(paths: tuple[Path, ...]) -> list[Path]:
    """Return the structure files, folders replaced by what is in them."""
    endings = (".npz", ".pdb", ".cif", ".ent", ".pdb.gz", ".cif.gz", ".ent.gz")
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.name.endswith(endings))
        else:
            found.append(path)
    return found


def count_samples(experiment: Experiment) -> int:
    """Return how many particles an experiment has."""
    made = experiment.procedural
    return len(find_structures(experiment.structures)) + (made.count if made else 0)


def samples(experiment: Experiment) -> Iterator[Structure]:
    """Give the particles of an experiment, structures first."""
    for path in find_structures(experiment.structures):
        yield read_structure(path)
    made = experiment.procedural
    if made is not None:
        for index in range(made.count):
            yield make_particle(made.seed, index, made.atoms)


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
