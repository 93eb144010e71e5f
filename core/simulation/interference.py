"""Fields of several particles add before they are squared: multi-hits have fringes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.detector import Geometry

Amplitudes = npt.NDArray[np.complex64]
Vectors = npt.NDArray[np.float64]


def displaced_sum(
    fields: Amplitudes, positions: npt.NDArray[Any], q: Vectors
) -> Amplitudes:
    """Return the sum of F_j exp(i q . x_j) over particles.

    Parameters
    ----------
    fields : (k, P) complex64, electrons
    positions : (k, 3) array, angstrom
    q : (P, 3) float64, 1/angstrom

    Returns
    -------
    (P,) complex64, electrons
    """
    total = np.zeros(len(q), np.complex64)
    for field, position in zip(fields, np.asarray(positions, np.float64), strict=True):
        total += field * _wave(q, position) if position.any() else field
    return total


def averaged_intensity(
    fields: Amplitudes, positions: Vectors, geometry: Geometry
) -> npt.NDArray[np.float32]:
    """Return the squared sum of fields, its fringes averaged over every pixel.

    A fringe of two particles a vector x apart turns by dq . x from edge to edge
    of a pixel, so it is weakened by sinc(dq . x / 2) along each side; the
    particles' own speckle is taken to be even over a pixel.

    Parameters
    ----------
    fields : (k, P) complex64, electrons
    positions : (k, 3) float64, angstrom
    geometry : Geometry

    Returns
    -------
    (P,) float32, electrons squared
    """
    intensity = (fields.real**2 + fields.imag**2).sum(axis=0)
    for one, other in combinations(range(len(fields)), 2):
        apart = positions[one] - positions[other]
        fringe = (fields[one] * fields[other].conj() * _wave(geometry.q, apart)).real
        turns = geometry.steps @ apart / (2 * np.pi)
        seen = np.sinc(turns).prod(axis=0).astype(np.float32)
        intensity += 2 * fringe * seen
    averaged: npt.NDArray[np.float32] = intensity
    return averaged


def _wave(q: Vectors, position: Vectors) -> Amplitudes:
    """Return exp(i q . x), (P,) complex64."""
    phase = (q @ position).astype(np.float32)
    return np.cos(phase) + np.complex64(1j) * np.sin(phase)
