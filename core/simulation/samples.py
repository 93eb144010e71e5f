"""Samples made ready for one detector: the field of a particle in any orientation.

Two kinds: molecules, made of atoms, all alike; and bodies, homogeneous solids
with a shell, whose size and density differ from particle to particle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from specklenn.core.errors import DataError
from specklenn.core.settings import Settings
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.grid import Amplitudes, grid_of_points, grid_points
from specklenn.core.simulation.ranges import Range
from specklenn.core.simulation.scattering import amplitudes, common_curves
from specklenn.core.simulation.solids import Icosahedron, Solid, Sphere
from specklenn.core.simulation.structures import Structure

Vectors = npt.NDArray[np.float64]

LARGEST_GRID = 256
"""Points a side; larger particles are transformed anew for every orientation."""

SMALLEST_RADIUS = 8.0
"""Angstrom; form factors vary over q too fast for the grids of smaller particles."""

CURVE_POINTS = 2000

LARGEST_REACH = 200.0
"""Longest q times radius of an icosahedron: making its grid takes 2 GB."""


@dataclass(frozen=True, kw_only=True)
class ParticleShape:
    """What may differ between two particles of one sample.

    Parameters
    ----------
    radius_angstrom : float
        Of the sphere around the particle; of a body before it is stretched.
    stretch : float
        Length along the particle's own z axis, in units of the others.
    shell_density, core_density : float, electrons per cubic angstrom
        Densities of a body; not a number for a molecule.
    """

    radius_angstrom: float
    stretch: float = 1.0
    shell_density: float = float("nan")
    core_density: float = float("nan")


class Sample(Protocol):
    """Particles of one kind in front of one detector."""

    @property
    def name(self) -> str:
        """Identifier, as it is written into the dataset."""

    @property
    def nbytes(self) -> int:
        """Memory held, bytes."""

    def draw_shape(self, random: np.random.Generator) -> ParticleShape:
        """Draw one particle's own shape."""

    def field(
        self, rotation: Vectors, shape: ParticleShape
    ) -> npt.NDArray[np.complex64]:
        """Return the amplitude at every pixel, (P,) complex64, electrons.

        Parameters
        ----------
        rotation : (3, 3) float64
            From the particle's own axes to the laboratory's.
        shape : ParticleShape
        """


class Body(Settings):
    """Homogeneous solids with a shell: viruses, droplets, nanoparticles.

    Parameters
    ----------
    name : str
    shape : {"icosahedron", "sphere"}
        Before it is stretched.
    radius_angstrom : (smallest, largest)
        To the vertices of an icosahedron; drawn evenly, particle by particle.
    stretch : (smallest, largest)
        Length along one axis in units of the others, drawn evenly.
    shell_thickness_angstrom : float
        0 for a body without a shell; a stretched body's shell is stretched with it.
    shell_density, core_density : float, electrons per cubic angstrom
        Protein has 0.43, water 0.334.
    density_spread : float
        Relative standard deviation of both densities, drawn particle by particle.
    """

    name: str = Field(max_length=48)
    shape: Literal["icosahedron", "sphere"] = "icosahedron"
    radius_angstrom: Range
    stretch: Range = (1.0, 1.0)
    shell_thickness_angstrom: float = Field(default=0.0, ge=0)
    shell_density: float = Field(default=0.43, ge=0)
    core_density: float = Field(default=0.43, ge=0)
    density_spread: float = Field(default=0.03, ge=0, le=0.3)

    @model_validator(mode="after")
    def _possible(self) -> Body:
        thinnest = self.radius_angstrom[0] * 0.75
        if self.shell_thickness_angstrom > thinnest:
            raise ValueError(
                f"shell_thickness_angstrom: {self.shell_thickness_angstrom} does not "
                f"fit into a body of radius {self.radius_angstrom[0]}"
            )
        return self

    @property
    def largest_radius_angstrom(self) -> float:
        """Radius of the sphere around the largest particle, angstrom."""
        return self.radius_angstrom[1] * max(1.0, self.stretch[1])


class Molecule:
    """A structure of atoms, made ready for a detector."""

    def __init__(self, structure: Structure, geometry: Geometry) -> None:
        self.name = structure.name
        self._shape = ParticleShape(radius_angstrom=structure.radius_angstrom)
        self._q = np.ascontiguousarray(geometry.q.T)
        reach = float(geometry.lengths.max())
        radius = max(structure.radius_angstrom, SMALLEST_RADIUS)
        size = grid_points(radius, reach)
        self._structure = structure if size > LARGEST_GRID else None
        if self._structure is not None:
            self.nbytes = structure.positions.nbytes
            return
        self._make_grid(structure, radius, reach, geometry.lengths)
        self.nbytes = self._grid.values.nbytes

    def _make_grid(
        self, structure: Structure, radius: float, reach: float, lengths: Vectors
    ) -> None:
        """Make the grid; the steepest curve over |q| is left out and put on later."""
        steps = np.linspace(0.0, 2.5 * reach, CURVE_POINTS)
        weights, curves = common_curves(structure, steps)
        ratios = curves / curves[0]

        def falls(at: Vectors) -> npt.NDArray[np.float32]:
            return np.array([np.interp(at, steps, row) for row in ratios], np.float32)

        self._grid = grid_of_points(structure.positions, weights, radius, reach, falls)
        self._fall = np.interp(lengths, steps, curves[0]).astype(np.float32)

    def draw_shape(self, random: np.random.Generator) -> ParticleShape:
        """Return the shape that all particles of this sample have."""
        return self._shape

    def field(self, rotation: Vectors, shape: ParticleShape) -> Amplitudes:
        """Return the amplitude at every pixel, see `Sample.field`."""
        if self._structure is not None:
            (field,) = amplitudes(self._structure, self._q.T, rotation[None])
        else:
            field = self._grid.at(rotation.T @ self._q) * self._fall
        found: Amplitudes = field
        return found


class SolidBody:
    """Homogeneous solids with a shell, made ready for a detector.

    Raises
    ------
    DataError
        If an icosahedron is too large for the detector.
    """

    def __init__(self, settings: Body, geometry: Geometry) -> None:
        self.name = settings.name
        self.settings = settings
        self._q = np.ascontiguousarray(geometry.q.T)
        self._solid: Solid = Sphere()
        self.nbytes = 0
        if settings.shape == "icosahedron":
            refuse_too_large(settings, geometry)
            self._solid = icosahedron = Icosahedron(_reach(settings, geometry))
            self.nbytes = icosahedron.nbytes

    def draw_shape(self, random: np.random.Generator) -> ParticleShape:
        """Draw the size, the stretch and the densities of one particle."""
        settings = self.settings
        shell, core = 1 + settings.density_spread * random.standard_normal(2)
        return ParticleShape(
            radius_angstrom=random.uniform(*settings.radius_angstrom),
            stretch=random.uniform(*settings.stretch),
            shell_density=settings.shell_density * max(shell, 0.0),
            core_density=settings.core_density * max(core, 0.0),
        )

    def field(self, rotation: Vectors, shape: ParticleShape) -> Amplitudes:
        """Return the amplitude at every pixel, see `Sample.field`."""
        axes = shape.radius_angstrom * np.array([1.0, 1.0, shape.stretch])
        q = axes[:, None] * (rotation.T @ self._q)
        thickness = self.settings.shell_thickness_angstrom / shape.radius_angstrom
        inner = 1 - thickness / self._solid.inradius
        core = inner**3 * self._solid.at(inner * q)
        field = shape.core_density * core
        if inner < 1:
            field = field + shape.shell_density * (self._solid.at(q) - core)
        filled: Amplitudes = (axes.prod() * field).astype(np.complex64)
        return filled


def refuse_too_large(settings: Body, geometry: Geometry) -> None:
    """Refuse an icosahedron whose grid would take too much memory.

    Raises
    ------
    DataError
        With the largest radius that can be simulated.
    """
    reach = _reach(settings, geometry)
    if settings.shape == "icosahedron" and reach > LARGEST_REACH:
        most = LARGEST_REACH / reach * settings.largest_radius_angstrom
        raise DataError(
            f"bodies: {settings.name}: radius up to "
            f"{settings.largest_radius_angstrom:.0f} angstrom, at most "
            f"{most:.0f} can be simulated on this detector"
        )


def _reach(settings: Body, geometry: Geometry) -> float:
    """Return the longest q times the largest radius."""
    return float(geometry.lengths.max()) * settings.largest_radius_angstrom
