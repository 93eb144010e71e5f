"""Homogeneous bodies drawn from a seed, each with the debris that comes with it.

Spheres and icosahedra of many sizes, filled, with a shell or nearly hollow, round
or stretched: what a network should have seen of viruses, droplets and
nanoparticles before it meets one.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from specklenn.core.settings import Settings
from specklenn.core.simulation.debris import Debris
from specklenn.core.simulation.ranges import Range
from specklenn.core.simulation.samples import Body

BODY_STREAM = 3
"""Keeps the random numbers of bodies apart from those of pools and shots."""

SPHERES = 0.3
"""Share of spheres among the bodies; the others are icosahedra."""

HOLLOW = 0.25
"""Share of bodies with a thin core."""

# What follows is drawn with equal chance.
SIZE_SPREADS = (1.03, 1.1, 1.2)
"""Radius of the largest particle of a body in units of the smallest one's."""

LEAST_STRETCHES = (1.0, 1.0, 0.95, 0.7)
STRETCH_SPREADS = (1.05, 1.1, 1.5)
"""Largest stretch in units of the least."""

SHELL_SHARES = (0.0, 0.06, 0.12, 0.2)
"""Thickness of the shell in units of the radius."""

PROTEIN, THIN = 0.43, 0.15
"""Electrons per cubic angstrom."""

CORE_DENSITY = (0.34, 0.5)

DROPLET_SIZES = (0.2, 2.4)
GRAIN_SIZES = (0.08, 0.6)
"""Radii of debris in units of the body's."""

DEBRIS_DENSITY = (0.8, 2.0)


class RandomBodies(Settings):
    """Homogeneous bodies made from a seed, see `draw_body`.

    Parameters
    ----------
    count : int
        How many.
    seed : int
    radius_angstrom : (smallest, largest)
        Radius of a body's smallest particle, drawn evenly in the logarithm.
    photons : float
        Mean photons on the detector from one particle in the middle of the focus,
        at ``fluence: 1`` of the experiment: the fluence at each body is chosen so.
    debris_photons : (fewest, most)
        Photons from a streak or parasitic scattering, whatever the body's fluence.
    """

    count: int = Field(default=64, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=1 << 64)
    radius_angstrom: Range = (28.0, 270.0)
    photons: float = Field(default=1e5, gt=0)
    debris_photons: Range = (100.0, 100_000.0)


def draw_body(settings: RandomBodies, number: int) -> tuple[Body, Debris]:
    """Draw one body and its debris; the same arguments always give the same.

    A body does not depend on how many there are; its name has the seed and the number.
    The droplets and grains of its debris have sizes in proportion to the body's.
    """
    random = np.random.default_rng([settings.seed, BODY_STREAM, number])
    radius = float(np.exp(random.uniform(*np.log(settings.radius_angstrom))))
    stretch = random.choice(LEAST_STRETCHES)
    body = Body(
        name=f"body-{settings.seed}-{number:03d}",
        shape="sphere" if random.random() < SPHERES else "icosahedron",
        radius_angstrom=(radius, radius * random.choice(SIZE_SPREADS)),
        stretch=(stretch, stretch * random.choice(STRETCH_SPREADS)),
        shell_thickness_angstrom=radius * random.choice(SHELL_SHARES),
        shell_density=PROTEIN,
        core_density=_core_density(random),
    )
    debris = Debris(
        droplet_radius_angstrom=_times(radius, DROPLET_SIZES),
        grain_radius_angstrom=_times(radius, GRAIN_SIZES),
        density=DEBRIS_DENSITY,
        photons=settings.debris_photons,
    )
    return body, debris


def _core_density(random: np.random.Generator) -> float:
    if random.random() < HOLLOW:
        return THIN
    return random.uniform(*CORE_DENSITY)


def _times(radius: float, sizes: tuple[float, float]) -> tuple[float, float]:
    return radius * sizes[0], radius * sizes[1]
