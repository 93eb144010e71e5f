"""Where the particles of a multi-hit are: aggregates that touch, or a loose cloud."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.float64]


def touching(random: np.random.Generator, radii: npt.NDArray[np.float64]) -> Positions:
    """Grow an aggregate of touching spheres, one straight flight at a time.

    Ballistic particle-cluster aggregation: each sphere comes from a random
    direction with a random offset and stays where it first touches another.

    Of the radii (k,) of the spheres it gives their centres (k, 3), angstrom; the first
    is at the origin.
    """
    centres = np.zeros((len(radii), 3))
    for newcomer in range(1, len(radii)):
        centres[newcomer] = _landing(
            random, centres[:newcomer], radii[:newcomer] + radii[newcomer]
        )
    return centres


def dispersed(
    random: np.random.Generator, number: int, radius_angstrom: float
) -> Positions:
    """Place particles independently in the focus.

    The focus is a disc of this radius across the beam, and as deep on either side along
    it. Gives positions (number, 3), angstrom.
    """
    radius = radius_angstrom * np.sqrt(random.random(number))
    angle = random.uniform(0.0, 2 * np.pi, number)
    depth = random.uniform(-radius_angstrom, radius_angstrom, number)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle), depth), axis=1)


def _landing(
    random: np.random.Generator, centres: Positions, reaches: npt.NDArray[np.float64]
) -> Positions:
    """Return where a sphere first comes within reach of any centre."""
    extent = float((np.linalg.norm(centres, axis=1) + reaches).max())
    while True:
        flight, across = random.normal(size=(2, 3))
        flight /= np.linalg.norm(flight)
        across -= (across @ flight) * flight
        across *= extent * np.sqrt(random.random()) / np.linalg.norm(across)
        start = across - 2 * extent * flight
        along = (centres - start) @ flight
        missed = ((centres - start - np.outer(along, flight)) ** 2).sum(axis=1)
        hits = missed < reaches**2
        if hits.any():
            back = np.sqrt(reaches[hits] ** 2 - missed[hits])
            landing: Positions = start + flight * min(along[hits] - back)
            return landing
