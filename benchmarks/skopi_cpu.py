"""skopi's pattern of one particle by the only path of its that needs no CUDA."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.structures import Structure

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import skopi

SYMBOLS = {6: "C", 7: "N", 8: "O", 15: "P", 16: "S", 26: "FE"}


def compiled() -> None:
    """Let numba compile before anything is timed."""
    tiny = make_particle(0, 0, (10, 10))
    skopi_pattern(tiny, Detector(rows=8, columns=8), np.eye(3))


def skopi_pattern(
    structure: Structure, detector: Detector, rotation: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Return expected photons, (H, W), of a particle in a square detector.

    skopi wants its atoms sorted by element, takes sin(theta) / wavelength in
    1/angstrom and s = q / 2 pi in 1/metre, and has row 0 at the bottom.
    """
    order = np.argsort(structure.atomic_numbers, kind="stable")
    particle = skopi.Particle()
    particle.create_from_atoms(
        [
            (SYMBOLS[int(structure.atomic_numbers[atom])], structure.positions[atom])
            for atom in order
        ]
    )
    particle.rotate(skopi.rotmat_to_quaternion(rotation))
    beam = skopi.Beam(
        photon_energy=detector.photon_energy_eV, focus_radius=0.5e-6, fluence=1e12
    )
    side = detector.rows * detector.pixel_size_m
    plate = skopi.SimpleSquareDetector(
        detector.rows, side, detector.distance_m, beam=beam
    )
    intensities = skopi.calculate_molecular_form_factor_square(
        particle,
        plate.pixel_distance_reciprocal * 1e-10 / 2,
        plate.pixel_position_reciprocal,
    )
    flipped: npt.NDArray[Any] = plate.add_correction(intensities)[0, ::-1]
    return flipped
