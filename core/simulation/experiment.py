"""The settings of a simulated experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from specklenn.core import labels
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName
from specklenn.core.simulation.beam import Beam
from specklenn.core.simulation.debris import Debris
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.noise import Noise
from specklenn.core.simulation.random_bodies import RandomBodies
from specklenn.core.simulation.ranges import CountRange
from specklenn.core.simulation.samples import Body

MOST_PARTICLES = 100
"""In one shot."""


class Procedural(Settings):
    """Particles made from a seed, see `specklenn.core.simulation.particles`.

    Parameters
    ----------
    count : int
        How many.
    seed : int
    atoms : (fewest, most)
        Heavy atoms of a particle, drawn evenly in the logarithm.
    slender : int
        How many of them are long and thin, the last ones.
    """

    count: int = Field(default=2, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0)
    atoms: CountRange = (10_000, 100_000)
    slender: int = Field(default=0, ge=0)


class StructureFile(Settings):
    """A structure file, or a folder of them.

    Parameters
    ----------
    file : path
        PDB, mmCIF (plain or .gz) or npz; a folder stands for all such files in it.
    assembly : str or None
        Name of the biological assembly to build; the deposited atoms by default.
    """

    file: FileName
    assembly: str | None = None


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
    structures : list of path or StructureFile
        Samples from files.
    procedural : Procedural or None
        Samples made from a seed.
    bodies : list of Body
        Viruses and other homogeneous solids.
    random_bodies : RandomBodies or None
        Homogeneous solids made from a seed, with debris and a fluence of their own.
    fractions : dict of class to share
        Shares of the shots; they are normalised.
    hits : tuple of int
        Numbers of particles in a multi-hit, drawn with equal chance.
    placement : {"touching", "dispersed"}
        Whether the particles of a multi-hit form an aggregate.
    average_fringes : bool
        Whether the fringes of a multi-hit are averaged over each pixel; the
        benchmark takes their value at its centre.
    debris : Debris
        What non-sample-hits are, but those of random bodies.
    background_photons : float
        Mean photons of background on the detector in every shot.
    pool : int
        Noise-free patterns per class and sample that a live stream draws from;
        datasets have a new one for every shot.
    """

    seed: int = Field(default=0, ge=0)
    detector: Detector = Detector()
    beam: Beam = Beam()
    fluence: float = Field(default=1.0, gt=0)
    noise: Noise = Noise()
    structures: tuple[FileName | StructureFile, ...] = ()
    procedural: Procedural | None = None
    bodies: tuple[Body, ...] = ()
    random_bodies: RandomBodies | None = None
    fractions: dict[str, float] = Field(
        default={labels.SINGLE_HIT: 0.5, labels.MULTI_HIT: 0.5}
    )
    hits: tuple[int, ...] = Field(default=(2, 3, 4), min_length=1)
    placement: Literal["touching", "dispersed"] = "touching"
    average_fringes: bool = False
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
        if min(self.hits) < 2 or max(self.hits) > MOST_PARTICLES:
            raise ValueError(
                f"hits: {list(self.hits)}, 2 to {MOST_PARTICLES} particles expected"
            )
        drawn = self.procedural or self.random_bodies
        if not self.structures and not self.bodies and drawn is None:
            raise ValueError(
                "structures, procedural, bodies or random_bodies: at least one sample "
                "expected"
            )
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur, in display order."""
        return tuple(
            name for name in labels.SIMULATED if self.fractions.get(name, 0) > 0
        )
