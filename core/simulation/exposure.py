"""One noise-free shot: what flies through the beam, and the photons expected of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core import labels
from specklenn.core.simulation.aggregates import dispersed, touching
from specklenn.core.simulation.debris import draw_debris
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.interference import averaged_intensity, displaced_sum
from specklenn.core.simulation.rotations import random_quaternions, rotation_matrices
from specklenn.core.simulation.samples import ParticleShape, Sample
from specklenn.core.simulation.scattering import expected_photons
from specklenn.core.simulation.truth import Particle

Photons = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """A noise-free shot at mean fluence.

    Parameters
    ----------
    expected : (P,) float32, photons per pixel
        Without background.
    name : str
        Name of the sample.
    particles : tuple of Particle
        Those of the sample.
    debris : str
        Kind of a non-sample-hit, else empty.
    """

    expected: Photons
    name: str
    particles: tuple[Particle, ...] = ()
    debris: str = ""


def expose(
    random: np.random.Generator,
    experiment: Experiment,
    geometry: Geometry,
    label: str,
    sample: Sample,
) -> Exposure:
    """Draw one noise-free shot of a simulated class.

    The geometry is that of the experiment's detector, and the sample is made ready
    for it.
    """
    if label == labels.NO_HIT:
        nothing = np.zeros(len(geometry.q), np.float32)
        return Exposure(expected=nothing, name=sample.name)
    if label == labels.NON_SAMPLE_HIT:
        kind, expected = _debris(random, experiment, geometry)
        return Exposure(expected=expected, name=sample.name, debris=kind)
    number = 1
    if label == labels.MULTI_HIT:
        number = experiment.hits[random.integers(len(experiment.hits))]
    particles = draw_particles(random, experiment, sample, number)
    expected = photons_of(particles, experiment, geometry, sample)
    return Exposure(expected=expected, name=sample.name, particles=particles)


def draw_particles(
    random: np.random.Generator, experiment: Experiment, sample: Sample, number: int
) -> tuple[Particle, ...]:
    """Draw the shapes, orientations and places of some particles of one sample."""
    shapes = [sample.draw_shape(random) for _ in range(number)]
    orientations = random_quaternions(random, number)
    positions = _positions(random, experiment, shapes)
    fluences = experiment.fluence * experiment.beam.fluence_at(positions)
    return tuple(
        Particle(
            orientation=turned, position=place, fluence=float(fluence), shape=shape
        )
        for turned, place, fluence, shape in zip(
            orientations, positions, fluences, shapes, strict=True
        )
    )


def photons_of(
    particles: tuple[Particle, ...],
    experiment: Experiment,
    geometry: Geometry,
    sample: Sample,
) -> Photons:
    """Return the photons per pixel expected of particles of one sample, (P,) float32.

    The experiment says whether fringes are averaged over the pixels.
    """
    rotations = rotation_matrices(np.array([p.orientation for p in particles]))
    fields = np.array(
        [
            sample.field(rotation, particle.shape) * np.float32(particle.fluence**0.5)
            for rotation, particle in zip(rotations, particles, strict=True)
        ]
    )
    places = np.array([particle.position for particle in particles])
    # Only distances between particles show.
    places -= places[0]
    if experiment.average_fringes and len(particles) > 1:
        intensity = averaged_intensity(fields, places, geometry)
        return intensity * geometry.cross_sections.astype(np.float32)
    field = displaced_sum(fields, places, geometry.q)
    return expected_photons(field, geometry.cross_sections, 1.0)


def _positions(
    random: np.random.Generator, experiment: Experiment, shapes: list[ParticleShape]
) -> Vectors:
    beam = experiment.beam
    if len(shapes) > 1 and experiment.placement == "dispersed":
        return dispersed(random, len(shapes), beam.reach_angstrom)
    radii = np.array(
        [shape.radius_angstrom * max(1.0, shape.stretch) for shape in shapes]
    )
    return beam.draw_place(random) + touching(random, radii)


def _debris(
    random: np.random.Generator, experiment: Experiment, geometry: Geometry
) -> tuple[str, Photons]:
    place = experiment.beam.draw_place(random)
    fluence = experiment.fluence * experiment.beam.fluence_at(place[None])[0]
    return draw_debris(random, experiment.debris, geometry, float(fluence))
