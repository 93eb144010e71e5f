"""How bright the particles of a body are on average, by a fixed rule.

Samples are made equally bright with it. A mean over a few random draws would be
off by ten per cent: photons go with up to the sixth power of the radius.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.rotations import random_rotations, rotation_matrices
from specklenn.core.simulation.samples import Body, ParticleShape, SolidBody
from specklenn.core.simulation.scattering import expected_photons

Vectors = npt.NDArray[np.float64]


def mean_photons(sample: SolidBody, geometry: Geometry) -> float:
    """Return the mean photons on the detector at 1 photon per square angstrom.

    Of one particle, over sizes, stretches and orientations: Gauss's two points in
    either range; for each shape six axes through opposite corners of an icosahedron,
    over which functions of an axis of up to the fifth degree have their mean.

    Parameters
    ----------
    sample : SolidBody
        Body made ready for the same geometry.
    geometry : Geometry
        Photons on its bad pixels are not counted.
    """
    good = ~geometry.bad
    totals = [
        expected_photons(field[good], geometry.cross_sections[good], 1.0).sum()
        for shape, turns in zip(_shapes(sample.settings), _orientations(), strict=True)
        for field in (sample.field(turn, shape) for turn in turns)
    ]
    return float(np.mean(totals))


def _shapes(body: Body) -> list[ParticleShape]:
    """Return the shapes at Gauss's points; the spread of densities averages out."""
    points = product(_gauss(body.radius_angstrom), _gauss(body.stretch))
    return [
        ParticleShape(
            radius_angstrom=radius,
            stretch=stretch,
            shell_density=body.shell_density,
            core_density=body.core_density,
        )
        for radius, stretch in points
    ]


def _gauss(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the points whose mean is that of any cubic over a range."""
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
    return middle - half / 3**0.5, middle + half / 3**0.5


def _orientations() -> Vectors:
    """Return six orientations for each of four shapes, (4, 6, 3, 3) float64.

    Turned at random, and always so: a body's faces must not lie the same way in
    all of them, or its flares hit or miss what pixels there are beyond a beam stop.
    """
    random = np.random.default_rng(0)
    frames = random_rotations(random, 4)
    halves = random.uniform(0.0, np.pi, 24)
    nothing = np.zeros(24)
    spins = np.stack((np.cos(halves), nothing, nothing, np.sin(halves)), axis=1)
    return frames[:, None] @ _to_axes() @ rotation_matrices(spins).reshape(4, 6, 3, 3)


def _to_axes() -> Vectors:
    """Return the shortest turns of z onto the six axes, (6, 3, 3) float64."""
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, 1.0, golden), (0.0, -1.0, golden)]
    x, y, z = np.array([np.roll(c, turn) for turn in range(3) for c in corners]).T
    # Quaternions: 1 + cos(angle), and z cross the axis; lengths in units of its own.
    quaternions = np.stack((np.hypot(1.0, golden) + z, -y, x, np.zeros(6)), axis=1)
    return rotation_matrices(
        quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    )
