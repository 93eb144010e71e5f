"""Amplitudes of homogeneous solids of unit size: the sphere and the icosahedron.

Sizes and stretches come from scaling q: a solid A times as large scatters
A^3 F(A q), so one table serves all sizes.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.grid import ReciprocalGrid, grid_of_points

Vectors = npt.NDArray[np.float64]

ICOSAHEDRON_INRADIUS = float(np.sqrt((5 + 2 * np.sqrt(5)) / 15))
"""Distance of the faces from the centre in units of that of the vertices."""


class Solid(Protocol):
    """A solid of unit radius and unit electron density."""

    @property
    def inradius(self) -> float:
        """Radius of the largest sphere inside."""

    def at(self, q: Vectors) -> npt.NDArray[Any]:
        """Return the amplitude, (P,), at q of shape (3, P)."""


class Sphere:
    """The unit sphere, in closed form."""

    inradius = 1.0

    def at(self, q: Vectors) -> npt.NDArray[Any]:
        """Return the amplitude, (P,) float64, at q of shape (3, P)."""
        return sphere_amplitude(np.linalg.norm(q, axis=0), 1.0, 4 / 3 * np.pi)


class Icosahedron:
    """The regular icosahedron with vertices at distance 1.

    Parameters
    ----------
    reach : float
        Longest q that will be asked for, times the radius.
    """

    inradius = ICOSAHEDRON_INRADIUS

    def __init__(self, reach: float) -> None:
        # Opposite halves scatter complex conjugates: one of them is enough.
        points, volumes = half_icosahedron(reach)
        self._grid: ReciprocalGrid = grid_of_points(points, volumes[None], 1.0, reach)
        self.nbytes = self._grid.values.nbytes

    def at(self, q: Vectors) -> npt.NDArray[Any]:
        """Return the amplitude, (P,) float32, at q of shape (3, P)."""
        return 2 * self._grid.at(q).real


def sphere_amplitude(q: Vectors, radius: float, electrons: float) -> Vectors:
    """Return the amplitude of a homogeneous sphere, 3 (sin x - x cos x) / x^3.

    Parameters
    ----------
    q : (P,) float64, 1/angstrom
    radius : float, angstrom
    electrons : float
        Electrons in the sphere.

    Returns
    -------
    (P,) float64, electrons
    """
    x = np.asarray(q) * radius
    safe = np.where(x < 0.05, 1.0, x)
    closed = 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    shape: Vectors = np.where(x < 0.05, 1 - x**2 / 10 + x**4 / 280, closed)
    return electrons * shape


def icosahedron_faces() -> Vectors:
    """Return the corners of the 20 faces, (20, 3, 3) float64, anticlockwise."""
    golden = (1 + np.sqrt(5)) / 2
    signs = [(a, b * golden) for a in (1, -1) for b in (1, -1)]
    vertices = np.array(
        [np.roll((0, a, b), turn) for turn in range(3) for a, b in signs]
    )
    vertices /= np.linalg.norm(vertices[0])
    edge = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    joined = np.isclose(edge, edge[edge > 0].min())
    faces = []
    for a, b, c in np.argwhere(joined[:, :, None] & joined[:, None] & joined[None]):
        if a < min(b, c) and np.linalg.det(vertices[[a, b, c]]) > 0:
            faces.append(vertices[[a, b, c]])
    return np.array(faces)


def half_icosahedron(reach: float) -> tuple[Vectors, Vectors]:
    """Return points and volumes that integrate waves over half the icosahedron.

    Gauss-Legendre points in the pyramids over ten faces, no two of them opposite,
    enough for waves as short as 2 pi / reach.

    Returns
    -------
    points : (A, 3) float64
    volumes : (A,) float64
    """
    number = int(np.ceil(0.5 * reach)) + 12
    nodes, weights = np.polynomial.legendre.leggauss(number)
    nodes, weights = (nodes + 1) / 2, weights / 2
    u, v, w = (axis.ravel() for axis in np.meshgrid(nodes, nodes, nodes))
    share = np.einsum("i,j,k->ijk", weights, weights, weights)
    share = np.moveaxis(share, 0, 1).ravel() * u**2 * v
    corners = np.stack((u * (1 - v), u * v * (1 - w), u * v * w), axis=1)
    faces = icosahedron_faces()
    # No face's middle lies in the plane across this direction.
    faces = faces[faces.mean(axis=1) @ [1.0, 0.3, 0.1] > 0]
    points = (corners @ faces).reshape(-1, 3)
    return points, np.tile(share * np.linalg.det(faces[0]), len(faces))
