import numpy as np
import pytest

from specklenn.core.simulation.detector import Detector, Geometry

SMALL = {"rows": 8, "columns": 16, "pixel_size_m": 1e-3}


def q_of(turn_deg, x_m, y_m, **settings):
    module = {"x_m": x_m, "y_m": y_m, "turn_deg": turn_deg}
    return Geometry.of(Detector(modules=[module], **(SMALL | settings))).q


def test_geometry_is_the_detector_laid_flat():
    detector = Detector(rows=8, columns=10)

    geometry = Geometry.of(detector)

    assert geometry.shape == (8, 10)
    assert geometry.q.shape == (80, 3)
    np.testing.assert_allclose(geometry.lengths, np.linalg.norm(geometry.q, axis=1))
    assert geometry.x[0] == -4.5
    assert geometry.y[0] == 3.5


def test_modules_are_laid_flat_one_after_the_other():
    modules = ({"x_m": 0, "y_m": 4e-3}, {"x_m": 0.1, "y_m": -4e-3})

    geometry = Geometry.of(Detector(modules=modules, dead_modules=(1,), **SMALL))

    assert geometry.shape == (2, 8, 16)
    assert geometry.steps.shape == (2, 256, 3)
    assert geometry.bad.tolist() == [False] * 128 + [True] * 128
    assert geometry.x[128] == pytest.approx(100 - 7.5)
    assert geometry.y[128] == pytest.approx(-4 + 3.5)


def test_pixels_from_the_beam_are_counted_in_binned_pixels():
    geometry = Geometry.of(Detector(rows=16, columns=16, binning=4))

    np.testing.assert_allclose(geometry.x[:4], [-1.5, -0.5, 0.5, 1.5])
    np.testing.assert_allclose(geometry.y[::4], [1.5, 0.5, -0.5, -1.5])


@pytest.mark.parametrize("turn_deg", [0, 25, -120])
@pytest.mark.parametrize("binning", [1, 4, 8])
def test_steps_are_the_derivative_of_q_times_the_pixel(turn_deg, binning):
    settings = {"binning": binning, "distance_m": 0.02}
    module = {"x_m": 0.01, "y_m": 0.02, "turn_deg": turn_deg}
    turn, shift = np.deg2rad(turn_deg), 1e-7
    along = np.array([np.cos(turn), np.sin(turn)])
    down = np.array([np.sin(turn), -np.cos(turn)])

    steps = Geometry.of(Detector(modules=[module], **SMALL, **settings)).steps

    for found, way in zip(steps, (along, down), strict=True):
        ahead = q_of(turn_deg, *([0.01, 0.02] + shift * way), **settings)
        behind = q_of(turn_deg, *([0.01, 0.02] - shift * way), **settings)
        expected = (ahead - behind) / (2 * shift) * binning * 1e-3
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_steps_lead_from_pixel_to_pixel():
    geometry = Geometry.of(Detector())

    q = geometry.q.reshape(172, 172, 3)
    along, down = geometry.steps.reshape(2, 172, 172, 3)
    size = 2 * np.pi * 450e-6 / (Detector().wavelength_angstrom * 0.1)
    middle = (along[:, 1:] + along[:, :-1]) / 2
    np.testing.assert_allclose(middle, np.diff(q, axis=1), atol=1e-4 * size)
    middle = (down[1:] + down[:-1]) / 2
    np.testing.assert_allclose(middle, np.diff(q, axis=0), atol=1e-4 * size)


def test_steps_are_tangent_to_the_ewald_sphere():
    detector = Detector(distance_m=0.02)
    wave_number = 2 * np.pi / detector.wavelength_angstrom

    geometry = Geometry.of(detector)

    outgoing = geometry.q / wave_number + [0, 0, 1]
    np.testing.assert_allclose((geometry.steps * outgoing).sum(-1), 0, atol=1e-15)


@pytest.mark.parametrize("binning", [1, 2, 4])
def test_the_sampled_radius_is_wavelength_distance_over_four_pixels(binning):
    detector = Detector(binning=binning)

    radius = Geometry.of(detector).sampled_radius_angstrom

    expected = detector.wavelength_angstrom * 0.1 / (4 * binning * 450e-6)
    assert radius == pytest.approx(expected, rel=2e-3)


def test_the_benchmark_samples_particles_of_415_angstrom():
    radius = Geometry.of(Detector()).sampled_radius_angstrom

    assert radius == pytest.approx(415, abs=1)


def test_pixels_far_from_the_beam_sample_larger_particles():
    modules = ({"x_m": 0, "y_m": 0}, {"x_m": 0.2, "y_m": 0})

    both = Geometry.of(Detector(modules=modules, **SMALL))
    far = Geometry.of(Detector(modules=modules, dead_modules=(0,), **SMALL))

    # Across the ray a pixel is p / r wide, r at the inner edge of the far module.
    wavelength = Detector().wavelength_angstrom
    distance = np.hypot(0.2 - 7.5e-3, 0.1)
    expected = wavelength * distance / 4e-3
    assert far.sampled_radius_angstrom == pytest.approx(expected, rel=1e-3)
    assert both.sampled_radius_angstrom == pytest.approx(wavelength * 25, rel=1e-3)


def test_a_detector_without_good_pixels_samples_nothing():
    geometry = Geometry.of(Detector(dead_modules=(0,)))

    assert geometry.sampled_radius_angstrom == 0
