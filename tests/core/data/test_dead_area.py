import numpy as np
import pytest

from specklenn.core.data.dead_area import Signals, find_dead

SHOTS = 64
SHAPE = (128, 96)
"""Four modules of 32 x 96 pixels, or one panel."""

NOTHING_BAD = np.zeros(SHAPE, bool)


def module(number):
    """Return the pixels of one of four modules."""
    pixels = np.zeros(SHAPE, bool)
    pixels[32 * number : 32 * (number + 1)] = True
    return pixels


def counted(photons, seed=0):
    """Return shots of a photon counter: a bright middle, photons in all per shot."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([63.5, 47.5])[:, None, None]
    expected = np.exp(-np.hypot(x, y) / 15)
    expected *= photons / expected.sum()
    random = np.random.default_rng(seed)
    return random.poisson(expected, (SHOTS, *SHAPE)).astype(np.float32)


def noisy(seed=0):
    """Return dark shots of an integrating detector."""
    return np.random.default_rng(seed).normal(0, 0.2, (SHOTS, *SHAPE)).astype("f4")


def dead_of(frames, modules=4, bad=NOTHING_BAD):
    signals = Signals(SHAPE)
    for frame in frames:
        signals.add(frame)
    return find_dead(signals, bad, modules)


def spoilt(frames, pixels, value):
    frames[:, pixels] = value
    return frames


@pytest.mark.parametrize("modules", [1, 4])
@pytest.mark.parametrize("photons", [0, 1, 10, 100, 1000, 1e4, 1e5, 1e7])
def test_no_light_and_any_light_leave_a_living_photon_counter_alone(photons, modules):
    found = dead_of(counted(photons), modules)

    assert not found.mask.any()
    assert found.words == ()


@pytest.mark.parametrize(
    "frames", [counted(1e4), counted(1e6), noisy()], ids=["weak", "bright", "dark"]
)
@pytest.mark.parametrize("value", [0, 7])
def test_a_module_that_stands_still_where_others_change_is_dead(frames, value):
    found = dead_of(spoilt(frames.copy(), module(2), value))

    np.testing.assert_array_equal(found.mask, module(2))
    assert found.words == (
        "module 2 gives no signal on 3072 pixels, between rows 0 and 31, columns 0 "
        "and 95 (64 shots looked at); they are left out",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 65535])
def test_a_broken_module_is_found_without_light(value):
    found = dead_of(spoilt(counted(0), module(1), value))

    np.testing.assert_array_equal(found.mask, module(1))


def test_a_dead_module_with_flickering_pixels_is_dead_nonetheless():
    frames = spoilt(noisy(), module(3), 0)
    frames[::2, 100, 10:60] = 5

    np.testing.assert_array_equal(dead_of(frames).mask, module(3))


def test_flickering_pixels_in_the_dark_condemn_no_module():
    frames = counted(0)
    frames[::2, 0:64:4, ::4] = 5  # a sixteenth of modules 0 and 1

    assert not dead_of(frames).mask.any()


@pytest.mark.parametrize("modules", [1, 4])
def test_a_streak_of_stray_light_condemns_nothing(modules):
    frames = counted(0)
    frames[:, 62:68] = np.random.default_rng(1).poisson(20, (SHOTS, 6, SHAPE[1]))

    assert not dead_of(frames, modules).mask.any()


def test_a_dead_quarter_of_one_panel_is_found_in_its_tiles():
    quarter = np.zeros(SHAPE, bool)
    quarter[:64, :48] = True

    found = dead_of(spoilt(noisy(), quarter, 0), modules=1)

    np.testing.assert_array_equal(found.mask, quarter)
    assert found.words[0].startswith("the detector gives no signal on 3072 pixels")


def test_of_a_dead_quarter_at_least_the_part_is_found_that_should_see_light():
    quarter = np.zeros(SHAPE, bool)
    quarter[:64, :48] = True

    found = dead_of(spoilt(counted(3000), quarter, 0), modules=1)

    assert found.mask[32:64, 24:48].all()
    assert not found.mask[~quarter].any()


def test_a_dead_part_of_a_module_is_found():
    part = np.zeros(SHAPE, bool)
    part[32:64, 72:96] = True

    np.testing.assert_array_equal(dead_of(spoilt(noisy(), part, 0)).mask, part)


def test_two_dead_modules_of_four_are_found():
    both = module(0) | module(3)

    np.testing.assert_array_equal(dead_of(spoilt(noisy(), both, 0)).mask, both)


@pytest.mark.parametrize("value", [0, 3, np.nan])
def test_where_nothing_lives_nothing_is_said(value):
    assert not dead_of(spoilt(counted(0), ~NOTHING_BAD, value)).mask.any()


def test_the_same_frame_again_and_again_is_no_dead_detector():
    frames = np.repeat(counted(1e6)[:1], SHOTS, axis=0)

    assert not dead_of(frames).mask.any()


def test_what_is_left_out_already_is_neither_found_nor_taken_for_a_neighbour():
    frames = spoilt(noisy(), module(1), 0)

    assert dead_of(frames, bad=module(1)).words == ()


def test_of_two_modules_the_dead_one_is_found():
    half = module(0) | module(1)

    np.testing.assert_array_equal(dead_of(spoilt(noisy(), half, 0), 2).mask, half)


def test_broken_modules_are_no_measure_for_the_others():
    frames = spoilt(noisy(), module(0) | module(1), np.nan)

    found = dead_of(spoilt(frames, module(2), 0))

    np.testing.assert_array_equal(found.mask, ~module(3))


def test_a_few_pixels_that_are_left_of_a_region_prove_nothing():
    frames = spoilt(noisy(), module(1), 0)
    bad = module(1)
    bad[40, 30:79] = False  # 49 pixels

    assert not dead_of(frames, bad=bad).mask.any()
