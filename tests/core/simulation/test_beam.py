import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.simulation.beam import Beam

GAUSSIAN = {"profile": "gaussian", "focus_fwhm_m": 1e-6}
MICROMETRE = 1e4  # angstrom


def places(*distances):
    return np.array([[distance, 0.0, 0.0] for distance in distances])


def test_the_disc_holds_the_photons_of_the_pulse():
    beam = Beam(photons_per_pulse=3e11, focus_radius_m=0.25e-6)

    (fluence,) = beam.fluence_at(places(100.0))

    assert fluence * np.pi * 2500.0**2 == pytest.approx(3e11)


def test_the_benchmark_has_12732_photons_per_square_angstrom():
    assert Beam().fluence == pytest.approx(12_732, rel=1e-4)


def test_the_gaussian_adds_up_to_the_photons_of_the_pulse():
    beam = Beam(photons_per_pulse=3e11, **GAUSSIAN)
    axis = np.linspace(-3 * MICROMETRE, 3 * MICROMETRE, 201)
    x, y = np.meshgrid(axis, axis)
    plane = np.stack((x.ravel(), y.ravel(), 0 * x.ravel()), axis=1)

    total = beam.fluence_at(plane).sum() * (axis[1] - axis[0]) ** 2

    assert total == pytest.approx(3e11, rel=1e-6)


def test_the_gaussian_falls_to_half_at_half_its_width():
    beam = Beam(**GAUSSIAN)

    peak, half = beam.fluence_at(places(0.0, MICROMETRE / 2))

    assert peak == pytest.approx(beam.fluence)
    assert half == pytest.approx(peak / 2)


def test_the_gaussian_is_round_and_the_same_all_along_the_beam():
    beam = Beam(**GAUSSIAN)
    around = np.array([[3000, 4000, 0], [-5000, 0, 0], [0, 5000, 80_000.0]])

    fluences = beam.fluence_at(around)

    np.testing.assert_allclose(fluences, fluences[0])


def test_the_disc_is_the_same_everywhere():
    beam = Beam()

    np.testing.assert_array_equal(beam.fluence_at(places(0, 4000)), beam.fluence)


def test_particles_cross_the_gaussian_evenly_over_the_stream():
    beam = Beam(stream_radius_m=2e-6, **GAUSSIAN)
    random = np.random.default_rng(0)

    drawn = np.array([beam.draw_place(random) for _ in range(8000)])

    # Evenly over the area: shares of rings grow as the radius squared.
    radius = np.hypot(drawn[:, 0], drawn[:, 1]) / (2 * MICROMETRE)
    shares = np.histogram(radius**2, np.linspace(0, 1, 9))[0] / 8000
    np.testing.assert_allclose(shares, 1 / 8, atol=4.5 * np.sqrt(1 / 8 / 8000))
    np.testing.assert_allclose(drawn[:, :2].mean(axis=0), 0, atol=4.5 * 1e4 / 89)
    assert (drawn[:, 2] == 0).all()


def test_the_stream_is_one_full_width_by_default():
    beam = Beam(**GAUSSIAN)
    random = np.random.default_rng(0)

    drawn = np.array([beam.draw_place(random) for _ in range(1000)])

    assert beam.reach_angstrom == MICROMETRE
    assert np.linalg.norm(drawn, axis=1).max() == pytest.approx(MICROMETRE, rel=0.01)
    assert np.linalg.norm(drawn, axis=1).max() <= MICROMETRE


def test_the_middle_stands_for_an_even_disc():
    place = Beam().draw_place(np.random.default_rng(0))

    np.testing.assert_array_equal(place, [0, 0, 0])
    assert Beam().reach_angstrom == 5000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profile": "gaussian"}, "a Gaussian focus needs its width"),
        ({"focus_fwhm_m": 1e-6}, "only with profile: gaussian"),
        ({"stream_radius_m": 1e-6}, "only with profile: gaussian"),
        ({"profile": "ring"}, "'disc' or 'gaussian'"),
        ({"photons_per_pulse": 0}, "greater than 0"),
        ({"focus_radius_m": -1e-6}, "greater than 0"),
        ({**GAUSSIAN, "focus_fwhm_m": 0}, "greater than 0"),
        ({**GAUSSIAN, "stream_radius_m": 0}, "greater than 0"),
        ({"photons_per_pulse": float("inf")}, "finite number"),
    ],
)
def test_impossible_beams_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Beam.model_validate(settings)
