"""Orientations: even over all rotations, as quaternions and as matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float64]


def random_quaternions(random: np.random.Generator, number: int) -> Vectors:
    """Draw orientations evenly over all rotations, (number, 4) float64 (w, x, y, z)."""
    quaternions = random.normal(size=(number, 4))
    unit: Vectors = quaternions / np.linalg.norm(quaternions, axis=1)[:, None]
    return unit


def rotation_matrices(quaternions: Vectors) -> Vectors:
    """Return the rotations of unit quaternions (w, x, y, z): (n, 4) to (n, 3, 3)."""
    w, x, y, z = quaternions.T
    entries = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(entries), 2, 0)


def random_rotations(random: np.random.Generator, number: int) -> Vectors:
    """Draw orientations evenly over all rotations, (number, 3, 3) float64."""
    return rotation_matrices(random_quaternions(random, number))
