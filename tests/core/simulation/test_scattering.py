import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.particles import fill, make_particle
from specklenn.core.simulation.rotations import random_rotations
from specklenn.core.simulation.scattering import (
    amplitudes,
    amplitudes_direct,
    common_curves,
    expected_photons,
    form_factors,
)
from specklenn.core.simulation.structures import Structure, centred

FLUENCE = 12_732.0


@pytest.fixture(scope="module")
def particle() -> Structure:
    made = make_particle(1, 0, (3000, 3000))
    heavy = made.atomic_numbers.copy()
    heavy[::100] = 79
    return centred(made.positions, heavy, "with gold")


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_fast_amplitudes_agree_with_the_direct_sum(geometry, particle):
    rotations = random_rotations(np.random.default_rng(0), 3)

    fast = amplitudes(particle, geometry.q, rotations)
    exact = amplitudes_direct(particle, geometry.q, rotations)

    assert fast.shape == (3, 1024)
    assert relative_error(fast, exact) < 1e-3
    assert relative_error(abs(fast) ** 2, abs(exact) ** 2) < 1e-3


def test_a_particle_of_5000_atoms_of_six_elements_agrees_with_the_direct_sum(
    geometry, protein, exact
):
    fast = amplitudes(protein, geometry.q, exact.rotations)

    # The transform is set to 1e-5.
    assert relative_error(fast, exact.amplitudes) < 1e-4


@pytest.mark.parametrize(("atoms", "radius"), [(1, 0.0), (2, 1.0), (300, 90.0)])
def test_small_and_loose_particles_agree_with_the_direct_sum(
    geometry, make_ball, atoms, radius
):
    structure = make_ball(atoms, radius)
    rotations = random_rotations(np.random.default_rng(0), 2)

    fast = amplitudes(structure, geometry.q, rotations)
    exact = amplitudes_direct(structure, geometry.q, rotations)

    assert relative_error(fast, exact) < 1e-4


def test_the_direct_sum_is_the_loop_over_atoms(geometry, make_ball):
    structure = make_ball(12, 8.0)
    (rotation,) = random_rotations(np.random.default_rng(0), 1)

    (found,) = amplitudes_direct(structure, geometry.q[:5], rotation[None])

    expected = np.zeros(5, complex)
    for position, element in zip(
        structure.positions, structure.atomic_numbers, strict=True
    ):
        (factor,) = form_factors(np.array([element]), geometry.lengths[:5])
        expected += factor * np.exp(1j * geometry.q[:5] @ (rotation @ position))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_no_orientation_has_no_amplitudes(geometry, make_ball):
    none = np.zeros((0, 3, 3))

    assert amplitudes(make_ball(5, 9.0), geometry.q, none).shape == (0, 1024)


def test_few_common_curves_give_the_form_factors_of_all_atoms(geometry, protein):
    weights, curves = common_curves(protein, geometry.lengths)

    atoms = slice(0, 12)
    expected = form_factors(protein.atomic_numbers[atoms], geometry.lengths)
    assert len(curves) <= 3
    found = weights[:, atoms].real.T @ curves
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.max())


def test_orientations_in_batches_are_the_same_as_one_by_one(
    geometry, particle, monkeypatch
):
    rotations = random_rotations(np.random.default_rng(0), 3)
    together = amplitudes(particle, geometry.q, rotations)

    monkeypatch.setattr("specklenn.core.simulation.scattering.POINTS_PER_TRANSFORM", 1)
    alone = amplitudes(particle, geometry.q, rotations)

    assert relative_error(alone, together) < 1e-4


def test_turning_the_atoms_is_turning_the_particle(geometry, particle):
    rotation = random_rotations(np.random.default_rng(1), 1)
    turned = Structure(
        positions=(particle.positions @ rotation[0].T).astype(np.float32),
        atomic_numbers=particle.atomic_numbers,
        name="turned",
    )

    found = amplitudes(particle, geometry.q, rotation)
    expected = amplitudes_direct(turned, geometry.q, np.eye(3)[None])

    assert relative_error(found, expected) < 1e-3


def test_forward_amplitude_is_the_number_of_electrons(particle):
    forward = amplitudes(particle, np.full((1, 3), 1e-7), np.eye(3)[None])

    electrons = int(particle.atomic_numbers.sum())
    assert abs(forward[0, 0]) == pytest.approx(electrons, rel=1e-3)


def test_form_factors_start_at_the_atomic_number_and_fall():
    factors = form_factors(np.array([6, 79], np.uint8), np.array([0.0, 0.5, 2.0]))

    np.testing.assert_allclose(factors[:, 0], [6, 79], rtol=1e-3)
    assert (np.diff(factors, axis=1) < 0).all()


def test_a_filled_ball_scatters_like_a_homogeneous_sphere():
    number = 20_000
    positions = fill(np.random.default_rng(0), np.zeros((1, 3)), np.ones(1), number)
    ball = centred(positions, np.full(number, 6), "ball")
    radius = (number * 17.3 * 3 / (4 * np.pi)) ** (1 / 3)
    lengths = np.linspace(0.005, 2.5 / radius, 40)
    q = lengths[:, None] * [1.0, 0.0, 0.0]

    found = amplitudes(ball, q, np.eye(3)[None])[0]

    x = lengths * radius
    expected = 6 * number * 3 * (np.sin(x) - x * np.cos(x)) / x**3
    assert relative_error(found, expected) < 0.02


def test_small_angle_patterns_have_friedel_symmetry(particle):
    narrow = Geometry.of(Detector(distance_m=10.0, rows=32, columns=32))

    field = amplitudes(particle, narrow.q, np.eye(3)[None])[0]

    pattern = (abs(field) ** 2).reshape(32, 32)
    assert relative_error(pattern[::-1, ::-1], pattern) < 0.01


def test_a_forward_pixel_counts_thomson_photons():
    electrons = 1e5
    cross_section = Detector(rows=9, columns=9).cross_sections()[4, 4]

    photons = expected_photons(
        np.array([electrons], np.complex64), np.array([cross_section]), FLUENCE
    )

    solid_angle = (450e-6 / 0.1) ** 2
    expected = FLUENCE * 2.8179403e-5**2 * solid_angle * electrons**2
    assert photons[0] == pytest.approx(expected, rel=1e-5)


def test_expected_photons_are_counted_for_every_pixel_and_pattern():
    field = np.array([[3 + 4j, 1j], [2, 0]], np.complex64)

    photons = expected_photons(field, np.array([1e-9, 2e-9]), 1e9)

    assert photons.dtype == np.float32
    np.testing.assert_allclose(photons, [[25, 2], [4, 0]], rtol=1e-6)


def test_the_detector_catches_the_photons_that_a_sphere_scatters(ball_amplitude):
    """The closed form integrated over all angles, most of it on the detector."""
    detector = Detector()
    geometry = Geometry.of(detector)
    wave_number = 2 * np.pi / detector.wavelength_angstrom

    field = 0.43 * ball_amplitude(geometry.lengths, 100.0)
    photons = expected_photons(
        field.astype(np.complex64), geometry.cross_sections, FLUENCE
    )

    angle = (np.arange(200_000) + 0.5) * np.pi / 200_000
    electrons = 0.43 * ball_amplitude(2 * wave_number * np.sin(angle / 2), 100.0)
    # Polarisation averaged around the beam.
    thomson = 2.8179403e-5**2 * (1 - np.sin(angle) ** 2 / 2)
    rings = 2 * np.pi * np.sin(angle) * np.pi / 200_000
    expected = FLUENCE * (thomson * electrons**2 * rings).sum()
    assert photons.sum() == pytest.approx(expected, rel=2e-3)
