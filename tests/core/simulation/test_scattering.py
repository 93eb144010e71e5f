import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.particles import fill, make_particle
from specklenn.core.simulation.scattering import (
    amplitudes,
    amplitudes_direct,
    displaced_sum,
    expected_photons,
    form_factors,
    random_rotations,
)
from specklenn.core.simulation.structures import Structure, centred

FLUENCE = 12_732.0


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry.of(Detector(rows=40, columns=40, pixel_size_m=1.9e-3))


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

    assert fast.shape == (3, 1600)
    assert relative_error(fast, exact) < 1e-3
    assert relative_error(abs(fast) ** 2, abs(exact) ** 2) < 1e-3


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


def test_two_points_make_fringes_of_2_pi_over_their_distance():
    point = centred(np.zeros((1, 3)), np.array([6]), "point")
    distance = 200.0
    lengths = np.linspace(0.0, 2 * np.pi / distance, 5)
    q = lengths[:, None] * [1.0, 0.0, 0.0]
    single = amplitudes_direct(point, q, np.eye(3)[None])[0].astype(np.complex64)

    pair = displaced_sum(
        np.array([single, single]), [[-distance / 2, 0, 0], [distance / 2, 0, 0]], q
    )

    contrast = abs(pair) ** 2 / abs(single) ** 2
    np.testing.assert_allclose(contrast, [4, 2, 0, 2, 4], atol=1e-4)


def test_a_pair_along_the_beam_shows_no_fringes_near_the_centre():
    geometry = Geometry.of(Detector(rows=8, columns=8))
    single = np.ones(64, np.complex64)

    pair = displaced_sum(
        np.array([single, single]), [[0, 0, -100], [0, 0, 100]], geometry.q
    )

    assert abs(pair).min() == pytest.approx(2.0, rel=0.01)


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


def test_orientations_are_rotations_without_a_preferred_direction():
    rotations = random_rotations(np.random.default_rng(0), 4000)

    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(rotations.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose((rotations**2).mean(axis=0), 1 / 3, atol=0.03)
