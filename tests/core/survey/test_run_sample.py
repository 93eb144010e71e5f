import itertools

import numpy as np
import pytest

from specklenn.core.hitfinder import HitFinding
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.survey.run_sample import BLOCK, MOST_SHOTS, look_at

FINDING = HitFinding(minimum_lit_pixels=50)


@pytest.fixture
def preprocessor():
    return Preprocessor(Preprocessing(crop=80, bin=2), (100, 110))


def frozen():
    return 0.0


def test_every_shot_of_a_short_run_is_read_once(source_of, make_spheres, preprocessor):
    frames = make_spheres(30)

    sample = look_at(source_of(frames), preprocessor, FINDING, frozen)

    assert sample.shots.index.tolist() == list(range(30))
    assert sample.shots.hit.tolist() == [k % 4 != 3 for k in range(30)]
    np.testing.assert_array_equal(sample.total, frames.sum(axis=0))
    np.testing.assert_array_equal(sample.highest, frames.max(axis=0))
    np.testing.assert_array_equal(sample.lit_shots, (frames > 0.7).sum(axis=0))


def test_hits_alone_make_the_pattern_where_there_are_enough(
    source_of, make_spheres, preprocessor
):
    frames = make_spheres(40)
    hits = frames[np.arange(40) % 4 != 3]

    many = look_at(source_of(frames), preprocessor, FINDING, frozen)
    few = look_at(source_of(frames[:8]), preprocessor, FINDING, frozen)

    assert (many.of_hits, few.of_hits) == (True, False)
    np.testing.assert_array_equal(many.halves.sum(axis=0), hits.sum(axis=0))
    np.testing.assert_array_equal(few.halves.sum(axis=0), frames[:8].sum(axis=0))


def test_of_a_long_run_shots_in_a_row_from_all_over_are_read(source_of, preprocessor):
    frames = np.broadcast_to(np.zeros((1, 100, 110), np.uint16), (10_000, 100, 110))
    source = source_of(frames)

    index = look_at(source, preprocessor, FINDING, frozen).shots.index

    assert len(index) == MOST_SHOTS
    assert (index[0], index[-1]) == (0, 9999)
    assert np.diff(index).max() < 200
    assert (np.diff(index) == 1).sum() == MOST_SHOTS * (BLOCK - 1) / BLOCK


def test_a_slow_run_is_read_for_some_seconds_and_still_all_over(
    source_of, preprocessor
):
    frames = np.broadcast_to(np.zeros((1, 100, 110), np.uint16), (10_000, 100, 110))
    seconds = itertools.count()

    index = look_at(
        source_of(frames), preprocessor, FINDING, lambda: next(seconds)
    ).shots.index

    assert len(index) == 11 * BLOCK
    assert index[-1] - index[0] > 5000


def test_shots_that_cannot_be_used_are_left_out_of_the_pattern(
    source_of, make_spheres, preprocessor
):
    frames = make_spheres(20).astype(np.float32)
    frames[4] = np.nan
    frames[5, 0, 0] = np.inf

    sample = look_at(source_of(frames), preprocessor, FINDING, frozen)

    assert sample.shots.good.tolist() == [k != 4 for k in range(20)]
    assert sample.used == 19
    assert np.isfinite(sample.total).all()
    assert np.isfinite(sample.highest).all()
