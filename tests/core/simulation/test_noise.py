import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.simulation.noise import NO_NOISE, Noise, Readout, draw_jitter

SHAPE = (100, 100)
NOWHERE = np.zeros(SHAPE, bool)
STEADY = {"jitter_shape": 0.0}
QUIET = {**STEADY, "shot_noise": False, "read_noise_photons": 0.0}


def flat(photons):
    return np.full(SHAPE, photons, np.float32)


def read(noise, expected, mask=NOWHERE, seed=0, **options):
    random = np.random.default_rng(seed)
    return Readout(noise, mask, seed=3).measure(random, expected, **options)


def test_jitter_has_mean_one_and_stays_within_its_limits():
    random = np.random.default_rng(0)

    drawn = np.array([draw_jitter(random, Noise()) for _ in range(20_000)])

    assert drawn.mean() == pytest.approx(1.0, abs=0.02)
    assert drawn.std() == pytest.approx(2.5**-0.5, abs=0.03)
    assert drawn.min() >= 0.1
    assert drawn.max() <= 4.0


def test_without_limits_jitter_is_gamma_distributed():
    """Mean 1, variance 1 / shape, third moment 2 / shape^2."""
    random = np.random.default_rng(0)
    noise = Noise(jitter_shape=5.0, jitter_limits=(0.0, 1e6))

    drawn = np.array([draw_jitter(random, noise) for _ in range(20_000)])

    assert drawn.mean() == pytest.approx(1.0, abs=4.5 * np.sqrt(0.2 / 20_000))
    assert drawn.var() == pytest.approx(0.2, rel=0.06)
    assert ((drawn - 1) ** 3).mean() == pytest.approx(2 / 25, rel=0.2)


def test_a_steady_beam_does_not_jitter():
    assert draw_jitter(np.random.default_rng(0), NO_NOISE) == 1.0


def test_counted_photons_have_the_variance_of_their_mean():
    noise = Noise(**STEADY, read_noise_photons=0.0)
    expected = np.linspace(0.01, 20, 10_000, dtype=np.float32).reshape(SHAPE)
    readout, random = Readout(noise, NOWHERE, seed=3), np.random.default_rng(0)

    shots = np.array([readout.measure(random, expected) for _ in range(200)])

    # The sum over shots of a pixel is Poisson with 200 times its mean.
    off = (shots.sum(axis=0) - 200 * expected) / np.sqrt(200 * expected)
    assert off.mean() == pytest.approx(0, abs=4.5 / 100)
    assert off.var() == pytest.approx(1, abs=4.5 * np.sqrt(2) / 100 + 0.01)
    spread = shots.var(axis=0, ddof=1) / expected
    assert spread[expected > 1].mean() == pytest.approx(1, abs=0.01)


def test_a_steady_shot_has_poisson_and_read_noise():
    shot = read(Noise(**STEADY), flat(3.0))

    assert shot.mean() == pytest.approx(3.0, abs=4.5 * np.sqrt(3.02) / 100)
    assert shot.var() == pytest.approx(3.0 + 0.15**2, rel=0.07)


def test_read_noise_is_gaussian_with_its_sigma():
    noise = Noise(**QUIET | {"read_noise_photons": 0.4})

    shot = read(noise, flat(2.0)) - 2

    assert shot.mean() == pytest.approx(0, abs=4.5 * 0.4 / 100)
    assert shot.std() == pytest.approx(0.4, rel=4.5 / np.sqrt(20_000))
    assert (abs(shot) < 0.4).mean() == pytest.approx(0.6827, abs=4.5 * 0.0047)


def test_without_noise_the_expected_photons_come_back():
    expected = np.random.default_rng(0).random(SHAPE, np.float32)

    shot = read(NO_NOISE, expected)

    np.testing.assert_array_equal(shot, expected)


def test_jitter_scales_the_expected_photons():
    shot = read(NO_NOISE, flat(3.0), jitter=2.5)

    np.testing.assert_allclose(shot, 7.5)


def test_masked_pixels_read_zero_and_the_expectation_is_left_alone():
    expected, mask = flat(3.0), NOWHERE.copy()
    mask[10:20] = True
    noise = Noise(hot_pixels=0.1, adu_per_photon=8.0, offset_adu=100.0)

    shot = read(noise, expected, mask)

    assert (shot[mask] == 0).all()
    assert (expected == 3).all()


def test_a_photon_has_its_adu_above_the_offset():
    noise = Noise(**QUIET, adu_per_photon=8.5, offset_adu=-20.0)

    shot = read(noise, flat(4.0))

    np.testing.assert_allclose(shot, 4 * 8.5 - 20)


def test_read_noise_is_given_in_photons_also_in_adu():
    noise = Noise(**QUIET | {"read_noise_photons": 0.2}, adu_per_photon=10.0)

    shot = read(noise, flat(0.0))

    assert shot.std() == pytest.approx(2.0, rel=4.5 / np.sqrt(20_000))


def test_hot_pixels_are_bright_and_the_same_in_every_shot():
    noise = Noise(**STEADY, hot_pixels=0.02, hot_photons=80.0)
    readout, random = Readout(noise, NOWHERE, seed=3), np.random.default_rng(0)

    shots = np.array([readout.measure(random, flat(0.1)) for _ in range(30)])

    hot = shots.mean(axis=0) > 40
    assert hot.mean() == pytest.approx(0.02, abs=4.5 * np.sqrt(0.02 / 10_000))
    number = hot.sum() * 30
    assert shots[:, hot].mean() == pytest.approx(80.1, abs=4.5 * np.sqrt(80 / number))
    assert shots[:, hot].min() > 30
    assert shots[:, ~hot].max() < 10
    assert not readout.mask.any()


def test_the_seed_says_which_pixels_are_hot():
    noise = Noise(**QUIET, hot_pixels=0.05)

    def hot(seed):
        random = np.random.default_rng(0)
        return Readout(noise, NOWHERE, seed).measure(random, flat(0.0)) > 0

    np.testing.assert_array_equal(hot(3), hot(3))
    assert (hot(3) & hot(4)).mean() < 0.01


def test_hot_pixels_do_not_jitter():
    noise = Noise(**QUIET, hot_pixels=0.05, hot_photons=50.0)

    shot = read(noise, flat(0.0), jitter=3.0)

    assert set(np.unique(shot)) == {0.0, 50.0}


def test_photons_beyond_all_measure_do_not_break_the_counting():
    shot = read(Noise(**STEADY), flat(1e20))

    np.testing.assert_allclose(shot, 1e8, rtol=1e-3)


def test_without_read_noise_photons_are_whole_numbers():
    noise = Noise(read_noise_photons=0.0, hot_pixels=0.01)

    shot = read(noise, flat(2.3), jitter=0.7)

    assert noise.counts_photons
    np.testing.assert_array_equal(shot, np.round(shot))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"read_noise_photons": 0.0, "shot_noise": False},
        {"read_noise_photons": 0.0, "adu_per_photon": 2.0},
        {"read_noise_photons": 0.0, "offset_adu": 1.0},
    ],
)
def test_a_detector_that_reads_anything_else_does_not_count_photons(settings):
    assert not Noise(**settings).counts_photons


@pytest.mark.parametrize(
    "settings",
    [
        {"jitter_shape": -1},
        {"read_noise_photons": -0.1},
        {"hot_pixels": 0.2},
        {"hot_photons": -1},
        {"adu_per_photon": 0},
        {"offset_adu": float("nan")},
    ],
)
def test_impossible_noise_is_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Noise.model_validate(settings)
