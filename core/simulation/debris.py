"""Shots that hit something, but not the sample, and shots that hit nothing.

Four kinds: droplets (one homogeneous sphere), clusters of small dense spheres,
streaks of a liquid jet, and parasitic scattering around the beam stop. The
first two are scattered coherently like particles; the last two are shapes of
intensity that a beamline sees and no closed form describes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings
from specklenn.core.simulation.aggregates import touching
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.interference import displaced_sum
from specklenn.core.simulation.ranges import CountRange, Range
from specklenn.core.simulation.scattering import expected_photons
from specklenn.core.simulation.solids import sphere_amplitude

Kind = Literal["droplet", "cluster", "streak", "parasitic"]
Photons = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.float64]

WATER_ELECTRONS_PER_ANGSTROM3 = 0.334
TABLE_POINTS = 4000


class Debris(Settings):
    """What non-sample-hits are made of.

    Parameters
    ----------
    kinds : list of {"droplet", "cluster", "streak", "parasitic"}
        Drawn with equal chance.
    droplet_radius_angstrom, grain_radius_angstrom : (smallest, largest)
        Drawn evenly in the logarithm.
    grains : (fewest, most)
        Spheres in a cluster.
    density : (lowest, highest)
        In units of water's electron density, drawn evenly.
    photons : (fewest, most)
        Photons on the detector from a streak or parasitic scattering, drawn
        evenly in the logarithm.
    """

    kinds: tuple[Kind, ...] = Field(
        default=("droplet", "cluster", "streak", "parasitic"), min_length=1
    )
    droplet_radius_angstrom: Range = (60.0, 300.0)
    grain_radius_angstrom: Range = (15.0, 70.0)
    grains: CountRange = (5, 25)
    density: Range = (0.8, 2.5)
    photons: Range = (100.0, 20_000.0)


def draw_debris(
    random: np.random.Generator, settings: Debris, geometry: Geometry, fluence: float
) -> tuple[Kind, Photons]:
    """Draw the kind of a non-sample-hit, and (P,) expected photons per pixel.

    The fluence is that of droplets and clusters, photons per square angstrom.
    """
    kind = settings.kinds[random.integers(len(settings.kinds))]
    if kind == "streak":
        return kind, _to_total(random, settings, streak(random, geometry))
    if kind == "parasitic":
        return kind, _to_total(random, settings, halo(random, geometry))
    if kind == "cluster":
        radii = _grains(random, settings)
    else:
        radii = np.array([_log_uniform(random, settings.droplet_radius_angstrom)])
    density = random.uniform(*settings.density) * WATER_ELECTRONS_PER_ANGSTROM3
    return kind, _spheres(random, radii, density, geometry, fluence)


def streak(random: np.random.Generator, geometry: Geometry) -> Photons:
    """Draw a bright line through the centre, the edge of a jet or a slit, (P,)."""
    angle = random.uniform(0.0, np.pi)
    width = random.uniform(1.0, 4.0)
    length = random.uniform(0.1, 0.5) * _width(geometry)
    x, y = geometry.x, geometry.y
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = -x * np.sin(angle) + y * np.cos(angle)
    spread = width * (1.0 + random.uniform(0.0, 0.05) * along)
    line = np.exp(-along / length - 0.5 * (across / spread) ** 2)
    fringes = 1.0 + random.uniform(0.0, 1.0) * np.cos(along * random.uniform(0.1, 0.8))
    bright: Photons = (line * fringes).astype(np.float32)
    return bright


def halo(random: np.random.Generator, geometry: Geometry) -> Photons:
    """Draw scattering that falls off from the beam stop, stronger on one side, (P,)."""
    x, y = geometry.x, geometry.y
    distance = np.hypot(x, y)
    power = random.uniform(1.0, 3.0)
    core = random.uniform(3.0, 15.0)
    angle, lobes = random.uniform(0.0, 2 * np.pi), int(random.integers(1, 5))
    side = 1.0 + random.uniform(0.0, 0.9) * np.cos(lobes * (np.arctan2(y, x) - angle))
    return (side * (1.0 + (distance / core) ** 2) ** -power).astype(np.float32)


def background(geometry: Geometry, photons: float) -> Photons:
    """Return an even, weak halo that every shot has, (P,) float32, photons."""
    x, y = geometry.x, geometry.y
    shape = 1.0 / (1.0 + (np.hypot(x, y) / (0.2 * _width(geometry))) ** 2)
    even: Photons = (shape * (photons / shape.sum())).astype(np.float32)
    return even


def _width(geometry: Geometry) -> int:
    """Return the longer side of the picture, pixels, gaps between modules included."""
    return round(max(np.ptp(geometry.x), np.ptp(geometry.y))) + 1


def _grains(random: np.random.Generator, settings: Debris) -> Vectors:
    number = int(random.integers(settings.grains[0], settings.grains[1] + 1))
    low, high = np.log(settings.grain_radius_angstrom)
    return np.exp(random.uniform(low, high, number))


def _spheres(
    random: np.random.Generator,
    radii: Vectors,
    density: float,
    geometry: Geometry,
    fluence: float,
) -> Photons:
    # Spheres depend on the length of q alone: a fine table serves all pixels.
    steps = np.linspace(0.0, geometry.lengths.max(), TABLE_POINTS)
    electrons = density * (4 / 3 * np.pi * radii**3)
    fields = [
        np.interp(geometry.lengths, steps, sphere_amplitude(steps, radius, number))
        for radius, number in zip(radii, electrons, strict=True)
    ]
    positions = touching(random, radii)
    field = displaced_sum(np.array(fields, np.complex64), positions, geometry.q)
    return expected_photons(field, geometry.cross_sections, fluence)


def _to_total(random: np.random.Generator, settings: Debris, shape: Photons) -> Photons:
    return shape * np.float32(_log_uniform(random, settings.photons) / shape.sum())


def _log_uniform(random: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(random.uniform(*np.log(bounds))))
