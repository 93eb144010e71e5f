import numpy as np
import pytest

from specklenn.core.simulation.noise import NO_NOISE, Noise, draw_jitter, measure

NOWHERE = np.zeros((100, 100), bool)


def test_jitter_has_mean_one_and_stays_within_its_limits():
    random = np.random.default_rng(0)

    drawn = np.array([draw_jitter(random, Noise()) for _ in range(20_000)])

    assert drawn.mean() == pytest.approx(1.0, abs=0.02)
    assert drawn.std() == pytest.approx(2.5**-0.5, abs=0.03)
    assert drawn.min() >= 0.1
    assert drawn.max() <= 4.0


def test_a_steady_shot_has_poisson_and_read_noise():
    expected = np.full((100, 100), 3.0, np.float32)

    shot = measure(np.random.default_rng(0), expected, Noise(jitter_shape=0), NOWHERE)

    assert shot.mean() == pytest.approx(3.0, abs=0.06)
    assert shot.var() == pytest.approx(3.0 + 0.15**2, rel=0.05)


def test_without_noise_the_expected_photons_come_back():
    expected = np.random.default_rng(0).random((100, 100), np.float32)

    shot = measure(np.random.default_rng(1), expected, NO_NOISE, NOWHERE)

    np.testing.assert_array_equal(shot, expected)


def test_masked_pixels_read_zero_and_the_expectation_is_left_alone():
    expected = np.full((100, 100), 3.0, np.float32)
    mask = NOWHERE.copy()
    mask[10:20] = True

    shot = measure(np.random.default_rng(0), expected, Noise(), mask)

    assert (shot[mask] == 0).all()
    assert (expected == 3).all()
