"""A small detector, small particles, and closed forms that several tests share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial import ConvexHull

from specklenn.core.labels import SIMULATED
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.rotations import random_rotations
from specklenn.core.simulation.scattering import amplitudes_direct
from specklenn.core.simulation.structures import Structure, centred

ELEMENTS = (6, 7, 8, 16, 15, 26)


@pytest.fixture(scope="session")
def geometry() -> Geometry:
    """32 x 32 pixels that reach as far out as the benchmark's."""
    return Geometry.of(Detector(rows=32, columns=32, pixel_size_m=2.4e-3))


def filled_ball(atoms, radius_angstrom, seed=0):
    """Atoms of six elements, evenly at random in a ball."""
    random = np.random.default_rng(seed)
    places = random.normal(size=(atoms, 3))
    places /= np.linalg.norm(places, axis=1)[:, None]
    places *= radius_angstrom * np.cbrt(random.random((atoms, 1)))
    return centred(places, np.resize(ELEMENTS, atoms), f"ball of {atoms}")


@pytest.fixture(scope="session")
def make_ball():
    return filled_ball


@pytest.fixture(scope="session")
def protein() -> Structure:
    """5000 atoms of six elements."""
    return filled_ball(5000, 45.0)


@dataclass(frozen=True)
class Posed:
    """Some orientations, and the amplitudes of a particle in them, atom by atom."""

    rotations: npt.NDArray[np.float64]
    amplitudes: npt.NDArray[np.complex128]


@pytest.fixture(scope="session")
def exact(geometry, protein) -> Posed:
    """The protein in four orientations."""
    rotations = random_rotations(np.random.default_rng(0), 4)
    return Posed(rotations, amplitudes_direct(protein, geometry.q, rotations))


def hull_amplitude(vertices, q):
    """Return the integral of exp(i q . r) over a convex polyhedron, (P,).

    By the divergence theorem a sum over triangles of the surface; over a triangle
    the integral is twice its area times the divided difference of exp(i x) at the
    phases of its corners. For directions of q in which no two corners of a
    triangle have the same phase.
    """
    hull = ConvexHull(vertices)
    total = np.zeros(q.shape[1], complex)
    for corners, normal in zip(hull.simplices, hull.equations[:, :3], strict=True):
        a, b, c = vertices[corners]
        doubled = np.linalg.norm(np.cross(b - a, c - a))
        x, y, z = vertices[corners] @ q
        surface = -doubled * (
            np.exp(1j * x) / ((x - y) * (x - z))
            + np.exp(1j * y) / ((y - x) * (y - z))
            + np.exp(1j * z) / ((z - x) * (z - y))
        )
        total += (normal @ q) / (1j * (q**2).sum(axis=0)) * surface
    return total


@pytest.fixture(scope="session")
def polyhedron_amplitude():
    return hull_amplitude


@pytest.fixture(scope="session")
def icosahedron_vertices():
    """Twelve corners at distance 1: the golden rectangles."""
    golden = (1 + np.sqrt(5)) / 2
    rectangle = np.array([(0, a, b * golden) for a in (1, -1) for b in (1, -1)])
    vertices = np.concatenate([np.roll(rectangle, turn, axis=1) for turn in range(3)])
    return vertices / np.linalg.norm(vertices[0])


@pytest.fixture(scope="session")
def ball_amplitude():
    """The integral of exp(i q . r) over a ball of unit density, in closed form."""

    def amplitude(lengths, radius):
        x = np.asarray(lengths) * radius
        return 4 * np.pi * radius**3 * (np.sin(x) - x * np.cos(x)) / x**3

    return amplitude


@pytest.fixture(scope="session")
def small():
    """Settings of an experiment of two molecules and a virus, all four classes."""
    return {
        "detector": {"rows": 32, "columns": 32, "pixel_size_m": 2.4e-3},
        "procedural": {"count": 2, "atoms": (300, 600)},
        "bodies": [{"name": "virus", "radius_angstrom": (60.0, 70.0)}],
        "fractions": dict.fromkeys(SIMULATED, 0.25),
        "pool": 3,
    }
