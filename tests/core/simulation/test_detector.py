import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.simulation.detector import Detector, Geometry


def test_scattering_vectors_lie_on_the_ewald_sphere():
    detector = Detector()

    wave_number = 2 * np.pi / detector.wavelength_angstrom
    outgoing = detector.scattering_vectors() + np.array([0, 0, wave_number])

    np.testing.assert_allclose(np.linalg.norm(outgoing, axis=-1), wave_number)


def test_q_of_a_pixel_is_4_pi_sin_theta_over_wavelength():
    detector = Detector(rows=9, columns=9)

    length = np.linalg.norm(detector.scattering_vectors()[4, 8])

    theta = 0.5 * np.arctan(4 * detector.pixel_size_m / detector.distance_m)
    expected = 4 * np.pi * np.sin(theta) / detector.wavelength_angstrom
    assert length == pytest.approx(expected)


def test_row_zero_is_the_top_and_columns_run_along_x():
    positions = Detector().pixel_positions_m()

    assert positions[0, 0, 1] > 0 > positions[-1, 0, 1]
    assert positions[0, 0, 0] < 0 < positions[0, -1, 0]
    np.testing.assert_allclose(positions[..., :2].mean(axis=(0, 1)), 0, atol=1e-12)


def test_solid_angles_of_a_wide_detector_add_up_to_a_half_space():
    detector = Detector(distance_m=0.01, pixel_size_m=1e-3, rows=1000, columns=1000)

    assert detector.solid_angles().sum() == pytest.approx(2 * np.pi, rel=0.03)


def test_polarisation_dims_the_horizontal_and_not_the_vertical():
    detector = Detector(rows=9, columns=9, pixel_size_m=0.1 / 4)

    factor = detector.polarisation()

    assert factor[0, 4] == pytest.approx(1.0)
    assert factor[4, 8] == pytest.approx(0.5)


def test_mask_is_the_beam_stop_and_the_gap_of_the_benchmark():
    mask = Detector().mask()

    assert mask.shape == (172, 172)
    assert mask.sum() == 172 * 4 + 6 * (8 - 4)
    assert mask[:, 84:88].all()
    assert mask[83:89, 82:90].all()


def test_geometry_is_the_detector_laid_flat():
    detector = Detector(rows=8, columns=10)

    geometry = Geometry.of(detector)

    assert geometry.q.shape == (80, 3)
    np.testing.assert_allclose(geometry.lengths, np.linalg.norm(geometry.q, axis=1))
    assert geometry.x[0] == -4.5
    assert geometry.y[0] == 3.5


def test_a_distance_of_zero_is_refused():
    with pytest.raises(ValidationError, match="distance_m"):
        Detector(distance_m=0)
