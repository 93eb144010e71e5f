"""Amplitudes of one particle in any orientation, from a grid made once.

The amplitude of a particle of radius R is band limited: samples of it at spacing
pi / (2 R) in reciprocal space tell it everywhere. `ReciprocalGrid` holds such
samples of one particle and reads the amplitude between them with the kernel of
FINUFFT, a few nanoseconds a point and neighbour, to about 1e-5. The points of the
particle are weighted beforehand by what the kernel takes away (its transform),
so that nothing is left to correct afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import import_optional

Amplitudes = npt.NDArray[np.complex64]
Vectors = npt.NDArray[np.float64]

TOLERANCE = 1e-5
OVERSAMPLING = 2.0
MARGIN = 4
"""Grid points beyond the outermost q on each side: the kernel is six points wide."""

FEWEST = 12
"""Points a side: FINUFFT wants twice the width of its kernel."""

_OPTIONS: dict[str, Any] = {
    "isign": 1,
    "eps": TOLERANCE,
    "nthreads": 1,
    "spreadinterponly": 1,
    "upsampfac": OVERSAMPLING,
    # Sorting the points pays off only for grids that no cache holds.
    "spread_sort": 0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ReciprocalGrid:
    """Samples of an amplitude on a cube of reciprocal space.

    Parameters
    ----------
    values : (N, N, N) complex64, electrons
        Over qz, qy, qx; the point (N // 2, N // 2, N // 2) is q = 0.
    spacing : float, 1/angstrom
    reach : float, 1/angstrom
        Longest q that may be asked for.
    """

    values: Amplitudes
    spacing: float
    reach: float

    def at(self, q: Vectors) -> Amplitudes:
        """Return the amplitude at some points.

        The result at a point does not depend on which others are asked for.

        Parameters
        ----------
        q : (3, P) float64, 1/angstrom

        Returns
        -------
        (P,) complex64, electrons

        Raises
        ------
        ValueError
            If a component of q lies beyond the reach of the grid.
        """
        if np.abs(q).max(initial=0.0) > self.reach * 1.0001:
            raise ValueError(
                f"q up to {np.abs(q).max():.4f} 1/angstrom asked of a grid that "
                f"reaches {self.reach:.4f}"
            )
        turn = 2 * np.pi / (len(self.values) * self.spacing)
        x, y, z = (q * turn).astype(np.float32)
        found: Amplitudes = load_finufft().nufft3d2(z, y, x, self.values, **_OPTIONS)
        return found


def grid_points(radius: float, reach: float) -> int:
    """Return how many points a side a grid needs.

    Parameters
    ----------
    radius : float, angstrom
        Radius of the particle, around the origin.
    reach : float, 1/angstrom
    """
    return max(FEWEST, 2 * (int(np.ceil(reach / _spacing(radius))) + MARGIN))


def grid_of_points(
    positions: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    radius: float,
    reach: float,
    falls: Callable[[Vectors], npt.NDArray[np.float32]] | None = None,
) -> ReciprocalGrid:
    """Make the grid of sum_c falls_c(|q|) sum_a weights_ca exp(i q . r_a).

    Parameters
    ----------
    positions : (A, 3) array, angstrom
    weights : (C, A) array, electrons
    radius : float, angstrom
        Radius of a sphere around the origin that holds all points, above 0.
    reach : float, 1/angstrom
    falls : function of (n,) float64 lengths, 1/angstrom, to (C, n) float32
        Curves over the length of q, as smooth as those of atoms: wider features
        in space than a few per cent of the radius cost accuracy. All 1 by default.
    """
    places = np.asarray(positions, np.float64)
    spacing, number = _spacing(radius), grid_points(radius, reach)
    angles = places * spacing
    strengths = weights / kernel_transform(angles).prod(axis=1)
    lifted = np.ascontiguousarray(strengths, np.complex64)
    x, y, z = np.ascontiguousarray(angles.T, np.float32)
    sums = load_finufft().nufft3d1(
        z, y, x, lifted, (number,) * 3, isign=1, eps=TOLERANCE, nthreads=1
    )
    values = sums.reshape(len(lifted), number, number, number)
    return ReciprocalGrid(
        values=_blended(values, spacing, falls), spacing=spacing, reach=reach
    )


@functools.cache
def _kernel_table() -> tuple[Vectors, Vectors]:
    """Return angles and the Fourier transform of FINUFFT's kernel at them.

    Which kernel that is depends on the version of FINUFFT, so it is measured:
    the interpolation of a grid with a single 1 is the kernel itself.
    """
    number = 64
    single = np.zeros(number, np.complex64)
    single[number // 2] = 1
    steps = np.linspace(-MARGIN, MARGIN, 4001)
    points = (steps * (2 * np.pi / number)).astype(np.float32)
    kernel = load_finufft().nufft1d2(points, single, **_OPTIONS).real
    angles = np.linspace(0, np.pi, 1025)
    waves = np.cos(np.multiply.outer(angles, steps))
    return angles, waves @ kernel.astype(np.float64) * (steps[1] - steps[0])


def kernel_transform(angles: Vectors) -> Vectors:
    """Return by how much interpolation weakens a wave.

    Parameters
    ----------
    angles : (...) float64
        Phase from one grid point to the next, radian, up to pi in size.

    Returns
    -------
    (...) float64
    """
    known, transform = _kernel_table()
    return np.interp(np.abs(angles), known, transform)


def load_finufft() -> Any:
    """Return the finufft module, or refuse where it is not installed."""
    return import_optional("finufft", "simulation", "simulate")


def _spacing(radius: float) -> float:
    """Return the spacing of a grid, 1/angstrom."""
    return float(np.pi / (OVERSAMPLING * radius))


def _blended(
    values: Amplitudes,
    spacing: float,
    falls: Callable[[Vectors], npt.NDArray[np.float32]] | None,
) -> Amplitudes:
    """Add up (C, N, N, N) samples, each with its own curve over |q|."""
    if falls is None:
        return np.ascontiguousarray(values.sum(axis=0))
    number = values.shape[1]
    axis = (np.arange(number) - number // 2) * spacing
    blended = np.empty(values.shape[1:], np.complex64)
    across = axis[:, None] ** 2 + axis[None, :] ** 2
    for layer, height in enumerate(axis):
        lengths = np.sqrt(across + height**2).ravel()
        curves = falls(lengths).reshape(len(values), number, number)
        blended[layer] = (curves * values[:, layer]).sum(axis=0)
    return blended
