"""Every disturbance of frames against what it should be in closed form."""

import numpy as np
import pytest

from specklenn.core.evaluation.disturbances import DISTURBANCES
from specklenn.core.evaluation.frame_disturbances import (
    Detector,
    add_background,
    add_common_mode,
    add_offset,
    change_gain,
    cut_at_mean,
    darken_gap,
    move_frames,
    move_light,
)

SIDE = 40
WINDOW = (slice(4, 36), slice(4, 36))
OF_FRAMES = [each for each in DISTURBANCES if each.frames is not None]


@pytest.fixture
def detector(beam_stop):
    return Detector(bad=beam_stop, window=WINDOW)


@pytest.fixture
def frames():
    random = np.random.default_rng(3)
    return random.gamma(2.0, size=(8, SIDE, SIDE)).astype(np.float32)


def randoms(number, seed=0):
    return [np.random.default_rng([seed, row]) for row in range(number)]


def point(row, column):
    """A frame that is dark but for one pixel."""
    frame = np.zeros((SIDE, SIDE), np.float32)
    frame[row, column] = 7
    return frame


@pytest.mark.parametrize("disturbance", OF_FRAMES, ids=lambda each: each.name)
def test_frames_keep_shape_and_type_and_the_given_ones_are_left_alone(
    disturbance, frames, detector
):
    before = frames.copy()

    found = disturbance.frames(frames, detector, randoms(len(frames)))

    assert (found.shape, found.dtype) == (frames.shape, np.float32)
    assert not np.array_equal(found, frames)
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("disturbance", OF_FRAMES, ids=lambda each: each.name)
def test_the_same_random_numbers_disturb_alike(disturbance, frames, detector):
    first, again = (
        disturbance.frames(frames, detector, randoms(len(frames))) for _ in range(2)
    )

    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("move", [move_frames, move_light])
def test_the_beam_wanders_by_six_pixels_in_all_directions(move, detector):
    number = 200
    frames = np.repeat(point(10, 10)[None], number, axis=0)

    moved = move(frames, detector, randoms(number))

    assert (moved.sum(axis=(1, 2)) == 7).all()
    steps = np.argwhere(moved > 0)[:, 1:] - 10
    assert np.hypot(*steps.T) == pytest.approx(6, abs=np.sqrt(0.5))
    angles = np.arctan2(*steps.T)
    quadrants, _ = np.histogram(angles, bins=4, range=(-np.pi, np.pi))
    assert quadrants.min() > number / 8


def test_a_moved_frame_is_rolled_where_its_edge_is_dark(frames, detector):
    padded = np.zeros_like(frames)
    padded[:, 8:-8, 8:-8] = frames[:, 8:-8, 8:-8]

    moved = move_frames(padded, detector, randoms(len(frames)))

    for before, after in zip(padded, moved, strict=True):
        rolled = [
            np.roll(before, (down, right), (0, 1))
            for down in range(-6, 7)
            for right in range(-6, 7)
        ]
        assert sum(np.array_equal(after, each) for each in rolled) == 1


def test_the_edge_of_a_moved_frame_goes_on(detector):
    ramp = np.tile(np.arange(SIDE, dtype=np.float32), (SIDE, 1))

    (moved,) = move_frames(ramp[None], detector, randoms(1))

    step = ramp[20, 20] - moved[20, 20]
    np.testing.assert_array_equal(moved, np.clip(ramp - step, 0, SIDE - 1))


def test_the_shadow_of_the_stop_moves_with_the_frame_and_not_with_the_light(
    detector, beam_stop
):
    frames = np.where(beam_stop, 0, 5).astype(np.float32)[None].repeat(6, axis=0)

    shadow, light = (
        move(frames, detector, randoms(6)) for move in (move_frames, move_light)
    )

    assert ((shadow[:, ~beam_stop] == 0).sum(axis=1) > 0).all()
    assert (light[:, ~beam_stop] == 5).all()


def test_what_comes_out_from_behind_the_stop_is_like_its_surroundings(
    detector, beam_stop
):
    """Left of the middle it is 2, right of it 3, as far as a stop hides it."""
    sides = np.where(np.arange(SIDE) < SIDE // 2, 2, 3) * np.ones((SIDE, 1))
    frames = np.where(beam_stop, 0, sides).astype(np.float32)[None]

    (moved,) = move_light(frames, detector, randoms(1))

    assert {2, 3} == set(moved.flat)
    assert (moved == moved[0]).all()
    assert (np.diff(moved[0]) >= 0).all()


def test_the_gap_is_eight_dark_rows_beside_the_middle_of_what_is_seen(frames):
    detector = Detector(
        bad=np.zeros((SIDE, SIDE), bool), window=(slice(0, 20), slice(0, 20))
    )

    gapped = darken_gap(frames, detector, randoms(len(frames)))

    assert (gapped[:, 12:20] == 0).all()
    np.testing.assert_array_equal(gapped[:, :12], frames[:, :12])
    np.testing.assert_array_equal(gapped[:, 20:], frames[:, 20:])


def test_frames_are_cut_at_their_mean_and_one_deviation_above(frames, detector):
    cut = cut_at_mean(frames, detector, randoms(len(frames)))

    seen = np.zeros((SIDE, SIDE), bool)
    seen[WINDOW] = ~detector.bad[WINDOW]
    for before, after in zip(frames.astype(np.float64), cut, strict=True):
        mean, deviation = before[seen].mean(), before[seen].std()
        inside = (before > mean) & (before < mean + deviation)
        np.testing.assert_allclose(
            after[inside], (before[inside] - mean) / deviation, atol=1e-6
        )
        assert (after[before <= mean] == 0).all()
        assert (after[before >= mean + deviation] == 1).all()


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_a_flat_frame_is_cut_without_a_warning(value, detector):
    frames = np.full((1, SIDE, SIDE), value, np.float32)

    found = cut_at_mean(frames, detector, randoms(1))

    assert np.array_equal(found, np.full_like(frames, value * 0), equal_nan=True)


def test_an_offset_is_added_and_a_gain_multiplied_exactly(frames, detector):
    offset = add_offset(frames, detector, randoms(len(frames)))
    gain = change_gain(frames, detector, randoms(len(frames)))

    np.testing.assert_allclose(offset - frames, 0.4, atol=1e-6)
    np.testing.assert_allclose(gain / frames, 0.3, rtol=1e-6)


def test_background_is_poisson(detector):
    number = 100
    dark = np.zeros((number, SIDE, SIDE), np.float32)

    photons = add_background(dark, detector, randoms(number))

    pixels = photons.size
    assert (photons == np.rint(photons)).all()
    assert abs(photons.mean() - 0.3) < 5 * np.sqrt(0.3 / pixels)
    # The variance of a sample variance of Poisson numbers is (m + 2 m^2) / n.
    assert abs(photons.var() - 0.3) < 5 * np.sqrt((0.3 + 2 * 0.09) / pixels)
    assert not np.array_equal(photons[0], photons[1])


def test_common_mode_is_one_number_for_a_row_of_a_shot(detector):
    number = 100
    dark = np.zeros((number, SIDE, SIDE), np.float32)

    found = add_common_mode(dark, detector, randoms(number))

    assert (found == found[:, :, :1]).all()
    rows = found[:, :, 0]
    assert len(np.unique(rows)) == rows.size
    assert abs(rows.mean()) < 5 * 0.5 / np.sqrt(rows.size)
    assert rows.std() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(2 * rows.size))
