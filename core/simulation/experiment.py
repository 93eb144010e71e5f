"""The settings of a simulated experiment, and its particles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from specklenn.core import labels
from specklenn.core.errors import DataError
from specklenn.core.settings import Settings
from specklenn.core.simulation.debris import Debris
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.noise import Noise
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.structures import Structure, read_structure


class Procedural(Settings):
    """Particles made from a seed, see `specklenn.core.simulation.particles`.

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


def find_structures(paths: tuple[Path, ...]) -> list[Path]:
    """Return the structure files, folders replaced by what is in them.

    Raises
    ------
    DataError
        If a folder holds no structure file.
    """
    endings = (".npz", ".pdb", ".cif", ".ent", ".pdb.gz", ".cif.gz", ".ent.gz")
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.endswith(endings))
            if not inside:
                raise DataError(f"{path}: no structure files ({', '.join(endings)})")
            found += inside
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
