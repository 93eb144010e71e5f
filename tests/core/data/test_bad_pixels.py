import numpy as np
import pytest

from specklenn.core.data.bad_pixels import find_bad_pixels
from specklenn.core.data.dead_area import Signals

SHOTS = 32
SHAPE = (64, 48)
NOTHING_BAD = np.zeros(SHAPE, bool)

GAP = np.zeros(SHAPE, bool)
GAP[30:33] = True
GAP[:, 20] = True


def counted(photons, seed=0, shots=SHOTS):
    """Return shots of a photon counter: a bright middle, photons in all per shot."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([31.5, 23.5])[:, None, None]
    expected = np.exp(-np.hypot(x, y) / 10)
    expected *= photons / expected.sum()
    return np.random.default_rng(seed).poisson(expected, (shots, *SHAPE))


def found_in(frames, bad=NOTHING_BAD, modules=1, gain=1.0):
    signals = Signals(SHAPE)
    for frame in frames:
        signals.add(frame.astype(np.float32) / gain, frame)
    return find_bad_pixels(signals, bad, modules)


@pytest.mark.parametrize(
    ("dtype", "value", "what"),
    [
        ("f4", np.nan, "never give a finite value"),
        ("f4", np.inf, "never give a finite value"),
        ("u1", 255, "always give the largest value of their type"),
        ("u2", 65535, "always give the largest value of their type"),
        ("u4", 2**32 - 1, "always give the largest value of their type"),
        (">u2", 65535, "always give the largest value of their type"),
        ("i4", -1, "always give the same value"),
        ("i2", -32768, "always give the same value"),
        ("f4", 65535, "always give the same value"),
    ],
)
@pytest.mark.parametrize("photons", [0, 30, 1e4])
def test_gaps_are_found_by_what_marks_them_and_nothing_else_is(
    dtype, value, what, photons
):
    frames = counted(photons).astype(dtype)
    frames[:, GAP] = value

    found = found_in(frames)

    if photons == 0 and what.endswith("the same value"):
        assert not found.mask.any()  # one frame again and again
    else:
        np.testing.assert_array_equal(found.mask, GAP)
        assert found.words == (
            f"{GAP.sum()} pixels {what} ({SHOTS} shots looked at); they are left out",
        )


@pytest.mark.parametrize("photons", [0, 1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7])
@pytest.mark.parametrize("seed", range(3))
def test_no_light_and_any_light_leave_a_living_photon_counter_alone(photons, seed):
    found = found_in(counted(photons, seed).astype("u4"))

    assert not found.mask.any()
    assert found.words == ()


def test_a_sparse_run_that_repeats_one_frame_loses_nothing():
    frames = np.repeat(counted(300, shots=1), SHOTS, axis=0).astype("u2")

    assert not found_in(frames).mask.any()


def test_a_run_that_is_constant_everywhere_but_for_noise_in_a_corner_loses_nothing():
    frames = np.full((SHOTS, *SHAPE), 7.0, "f4")
    frames[:, :4, :4] += np.random.default_rng(0).normal(size=(SHOTS, 4, 4))

    assert not found_in(frames).mask.any()


def test_pedestals_and_markers_below_half_a_photon_are_no_signal_and_stay():
    frames = counted(1e4).astype("i4") * 130
    frames[:, GAP] = -1

    assert not found_in(frames, gain=130).mask.any()


def test_a_dead_pixel_and_a_line_of_them_amid_light_are_found():
    frames = counted(1e7).astype("u4")
    dead = np.zeros(SHAPE, bool)
    dead[25, 30] = dead[40] = True
    frames[:, dead] = 0

    np.testing.assert_array_equal(found_in(frames).mask, dead)


def test_the_dark_rim_of_a_bright_pattern_is_not_dead():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([31.5, 23.5])[:, None, None]
    expected = 1e4 * np.exp(-np.hypot(x, y) / 2)

    frames = np.random.default_rng(0).poisson(expected, (SHOTS, *SHAPE)).astype("u4")

    assert (frames == 0).all(axis=0).mean() > 0.3
    assert not found_in(frames).mask.any()


def test_a_dark_module_below_a_bright_one_keeps_its_first_rows():
    frames = np.zeros((SHOTS, *SHAPE), "u4")
    frames[:, :32] = np.random.default_rng(0).poisson(500, (SHOTS, 32, SHAPE[1]))

    assert found_in(frames, modules=1).mask[32, 2:-2].all()
    assert not found_in(frames, modules=2).mask.any()


def test_fringes_of_one_particle_in_every_shot_are_not_taken_for_dead_pixels():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([31.5, 23.5])[:, None, None]
    q = np.maximum(np.hypot(x, y), 0.1)
    u = 0.6 * q
    expected = (3 * (np.sin(u) - u * np.cos(u)) / u**3) ** 2
    random = np.random.default_rng(0)
    for brightness in (1e2, 1e3, 1e4):
        frames = random.poisson(brightness * expected, (SHOTS, *SHAPE)).astype("u4")

        assert not found_in(frames).mask.any()


def test_all_pixels_are_never_left_out():
    frames = np.full((SHOTS, *SHAPE), np.nan, "f4")

    assert not found_in(frames).mask.any()
    assert not found_in(np.full((SHOTS, *SHAPE), 65535, "u2")).mask.any()


def test_what_is_masked_already_is_not_told_again():
    frames = counted(1e4).astype("u2")
    frames[:, GAP] = 65535

    assert found_in(frames, GAP).words == ()


def test_a_few_shots_are_enough_to_see_what_marks_a_gap_but_not_what_is_stuck():
    frames = counted(1e4, shots=3).astype("u2")
    frames[:, GAP] = 65535
    frames[:, 5, 5] = 9

    np.testing.assert_array_equal(found_in(frames).mask, GAP)
