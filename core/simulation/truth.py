"""What is known of a simulated shot: one row of a table for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.samples import ParticleShape

Vectors = npt.NDArray[np.float64]

LONGEST_TEXT = 64
"""As in the files."""

SHAPE_FIELDS = ("radius_angstrom", "stretch", "shell_density", "core_density")
SCALAR_FIELDS = ("fluence", *SHAPE_FIELDS)
PARTICLE_FIELDS = ("orientation", "position_angstrom", *SCALAR_FIELDS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Particle:
    """One particle of the sample in a shot.

    Parameters
    ----------
    orientation : (4,) float64
        Unit quaternion (w, x, y, z), from the particle's axes to the laboratory's.
    position : (3,) float64, angstrom
        From the middle of the focus: x to the right, y up, z along the beam.
    fluence : float
        Photons per square angstrom at this place, before jitter.
    shape : ParticleShape
    """

    orientation: Vectors
    position: Vectors
    fluence: float
    shape: ParticleShape


def truth_dtype(most_particles: int) -> np.dtype[np.void]:
    """Return the data type of a row.

    Fields
    ------
    label, name : text
        Class; sample.
    debris : text
        Kind of a non-sample-hit, else empty.
    jitter : float32
        Fluence of the shot in units of the mean.
    particles : uint8
        Particles of the sample in the beam.
    orientation : (most_particles, 4) float32
    position_angstrom : (most_particles, 3) float32
    fluence : (most_particles,) float32
        Photons per square angstrom, jitter included.
    radius_angstrom, stretch, shell_density, core_density : (most_particles,) float32
        See `core.simulation.samples.ParticleShape`. Fields of particles that are
        not there, and densities of molecules, are not numbers.
    """
    text = f"U{LONGEST_TEXT}"
    scalars = [(name, np.float32, (most_particles,)) for name in SCALAR_FIELDS]
    return np.dtype(
        [
            ("label", text),
            ("name", text),
            ("debris", text),
            ("jitter", np.float32),
            ("particles", np.uint8),
            ("orientation", np.float32, (most_particles, 4)),
            ("position_angstrom", np.float32, (most_particles, 3)),
            *scalars,
        ]
    )


def fill_row(
    row: np.void, particles: tuple[Particle, ...], jitter: float, debris: str
) -> None:
    """Write what is known of one shot into its row; label and name are the caller's."""
    row["debris"], row["jitter"], row["particles"] = debris, jitter, len(particles)
    for name in PARTICLE_FIELDS:
        row[name] = np.nan
    for number, particle in enumerate(particles):
        row["orientation"][number] = particle.orientation
        row["position_angstrom"][number] = particle.position
        row["fluence"][number] = particle.fluence * jitter
        for name in SHAPE_FIELDS:
            row[name][number] = getattr(particle.shape, name)
