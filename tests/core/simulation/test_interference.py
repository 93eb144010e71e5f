import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.interference import averaged_intensity, displaced_sum
from specklenn.core.simulation.scattering import amplitudes_direct

FINER = 9


def ones(particles, geometry):
    """Points: the same amplitude everywhere."""
    return np.ones((particles, len(geometry.q)), np.complex64)


def test_two_points_make_fringes_of_2_pi_over_their_distance():
    distance = 200.0
    q = np.linspace(0.0, 2 * np.pi / distance, 5)[:, None] * [1.0, 0.0, 0.0]

    pair = displaced_sum(
        np.ones((2, 5), np.complex64),
        [[-distance / 2, 0, 0], [distance / 2, 0, 0]],
        q,
    )

    np.testing.assert_allclose(abs(pair) ** 2, [4, 2, 0, 2, 4], atol=1e-5)


def test_fringes_on_the_detector_are_wavelength_times_distance_over_separation():
    detector = Detector(rows=64, columns=64, distance_m=10.0)
    geometry = Geometry.of(detector)
    # 8 fringes over the 64 pixels.
    period_m = 8 * 450e-6
    apart = detector.wavelength_angstrom * 10.0 / period_m

    pair = displaced_sum(ones(2, geometry), [[0, 0, 0], [apart, 0, 0]], geometry.q)

    pattern = (abs(pair) ** 2).reshape(64, 64)
    power = abs(np.fft.fft2(pattern - pattern.mean()))
    row, column = np.unravel_index(power[:, :32].argmax(), (64, 32))
    assert (row, column) == (0, 8)


def test_fields_of_a_pair_add_like_those_of_all_its_atoms(geometry, make_ball):
    single = make_ball(40, 15.0)
    apart = np.array([20.0, -30.0, 15.0])
    (field,) = amplitudes_direct(single, geometry.q, np.eye(3)[None])

    found = displaced_sum(
        np.array([field, field], np.complex64), [[0, 0, 0], apart], geometry.q
    )

    # The sum over the atoms of the second, each of them moved.
    expected = field + field * np.exp(1j * (geometry.q @ apart))
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(field).max())


def test_without_displacement_fields_add_as_they_are(geometry):
    fields = ones(3, geometry) * np.array([[1.0], [2.0], [1j]], np.complex64)

    found = displaced_sum(fields, np.zeros((3, 3)), geometry.q)

    np.testing.assert_array_equal(found, np.full(1024, 3 + 1j, np.complex64))


def test_moving_all_particles_together_does_not_show(geometry):
    places = np.array([[0.0, 0, 0], [70, -20, 10], [-30, 40, 90]])
    moved, fields = np.array([500.0, 300.0, -900.0]), ones(3, geometry)

    here = displaced_sum(fields, places, geometry.q)
    there = displaced_sum(fields, places + moved, geometry.q)

    np.testing.assert_allclose(abs(there) ** 2, abs(here) ** 2, atol=2e-3)


def test_a_pair_along_the_beam_shows_no_fringes_near_the_centre():
    geometry = Geometry.of(Detector(rows=8, columns=8))

    pair = displaced_sum(ones(2, geometry), [[0, 0, -100], [0, 0, 100]], geometry.q)

    assert abs(pair).min() == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(
    "places",
    [
        [[0, 0, 0], [1800, 700, 0]],
        [[0, 0, 0], [-200, 1900, 800]],
        [[0, 0, 0], [1900, 300, 0], [-500, 1700, 400]],
    ],
    ids=["aslant", "upwards and deep", "three"],
)
def test_averaged_fringes_are_the_mean_over_each_pixel(places):
    """Every pixel cut into 9 x 9 small ones; fringes a few pixels wide."""
    coarse = Geometry.of(Detector(rows=16, columns=16, distance_m=0.3))
    fine = Geometry.of(
        Detector(
            rows=16 * FINER,
            columns=16 * FINER,
            pixel_size_m=450e-6 / FINER,
            distance_m=0.3,
        )
    )
    positions = np.array(places, float)

    found = averaged_intensity(ones(len(places), coarse), positions, coarse)

    field = displaced_sum(ones(len(places), fine), positions, fine.q)
    cut = (abs(field) ** 2).reshape(16, FINER, 16, FINER)
    # A middle rule of 9 steps is within 1 % of a fringe of this width.
    np.testing.assert_allclose(
        found.reshape(16, 16), cut.mean(axis=(1, 3)), atol=0.01 * len(places) ** 2
    )
    assert cut.mean(axis=(1, 3)).max() < 0.95 * len(places) ** 2


def test_averaging_changes_nothing_where_fringes_are_wide(geometry):
    fields = ones(2, geometry) * np.array([[1.0], [2j]], np.complex64)
    positions = np.array([[0.0, 0, 0], [0.1, 0.1, 0]])

    found = averaged_intensity(fields, positions, geometry)

    plain = displaced_sum(fields, positions, geometry.q)
    np.testing.assert_allclose(found, abs(plain) ** 2, rtol=1e-4)


def test_averaging_without_displacement_is_the_plain_sum(geometry):
    fields = ones(3, geometry) * np.array([[1.0], [2.0], [1j]], np.complex64)

    found = averaged_intensity(fields, np.zeros((3, 3)), geometry)

    np.testing.assert_allclose(found, abs(3 + 1j) ** 2, rtol=1e-6)


def test_averaged_fringes_of_distant_particles_vanish():
    geometry = Geometry.of(Detector(rows=16, columns=16))
    positions = np.array([[0.0, 0, 0], [3e5, 2e5, 0]])

    found = averaged_intensity(ones(2, geometry), positions, geometry)

    np.testing.assert_allclose(found, 2, atol=0.01)


def test_a_lone_particle_has_no_fringes_to_average(geometry):
    fields = 3 * ones(1, geometry)

    found = averaged_intensity(fields, np.array([[5.0, 0, 0]]), geometry)

    np.testing.assert_array_equal(found, np.full(1024, 9, np.float32))


def test_a_place_is_needed_for_every_particle(geometry):
    with pytest.raises(ValueError, match="zip"):
        displaced_sum(ones(2, geometry), [[0, 0, 0]], geometry.q)
