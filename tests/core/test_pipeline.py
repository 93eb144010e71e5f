import dataclasses

import numpy as np
import pytest

from specklenn.core.classify import Classifier
from specklenn.core.data.shots import Shot, blank_shots, gather
from specklenn.core.distances import Classification
from specklenn.core.flags import Flag
from specklenn.core.hitfinder import HitFinding
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor


def batch(frames, truth=None):
    shots = [
        Shot(index=10 + i, timestamp_ns=i, frame=f, truth=truth[i] if truth else "")
        for i, f in enumerate(frames)
    ]
    return gather(shots, (100, 100))


def test_every_shot_gets_one_row_whatever_it_looks_like(pipeline, draw_shots):
    frames = list(draw_shots(8)[0].astype(np.float32))
    frames[1] = None
    frames[2] = np.ones((7, 7), np.float32)
    frames[4] = np.full((100, 100), np.nan, np.float32)
    frames[5] = np.zeros((100, 100), np.float32)
    frames[6] = np.full((100, 100), -1e30, np.float32)

    rows = pipeline.classify(batch(frames)).rows

    assert rows["index"].tolist() == list(range(10, 18))
    assert rows["flags"].tolist() == [
        0,
        Flag.UNREADABLE,
        Flag.WRONG_SHAPE,
        Flag.NO_HIT,
        Flag.NOT_FINITE,
        Flag.EMPTY,
        Flag.NOT_FINITE,
        Flag.NO_HIT,
    ]
    assert (rows["label"][[1, 2, 4, 5, 6]] == -1).all()


def test_rows_agree_with_the_classifier(pipeline, draw_shots):
    frames, names = draw_shots(12)
    hits = names != "no-hit"

    rows = pipeline.classify(batch(list(frames), names.tolist())).rows

    expected = pipeline.classifier.classify(frames)
    labels = np.array(pipeline.classes)[rows["label"]]
    assert labels.tolist() == expected.labels.tolist()
    np.testing.assert_array_equal(labels == "no-hit", ~hits)
    np.testing.assert_allclose(rows["distances"], expected.distances, atol=1e-6)
    np.testing.assert_allclose(rows["score"], expected.scores.max(axis=1), 1e-4)
    for name in ("flags", "lit_pixels", "photons"):
        np.testing.assert_array_equal(rows[name], getattr(expected, name))
    assert np.array(pipeline.classes)[rows["truth"]].tolist() == names.tolist()
    assert set(rows["support_version"]) == {7}
    assert set(rows["run"]) == {94}


def test_a_far_shot_is_unknown_and_flagged_as_by_the_classifier(
    model, supports, mask, draw_shots
):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    frames, names = draw_shots(24, seed=3)
    frames = frames[names != "no-hit"]
    nearest = Classifier(model, supports, preprocessor).classify(frames).distances
    limit = float(np.median(nearest.min(axis=1)))
    strict = Classification(reject_above_distance=limit)
    classifier = Classifier(model, supports, preprocessor, strict)
    pipeline = Pipeline(classifier, HitFinding(enabled=False))

    rows = pipeline.classify(batch(list(frames))).rows

    labels = np.array(pipeline.classes)[rows["label"]]
    rejected = (rows["flags"] & Flag.REJECTED.bits) != 0
    assert 0 < rejected.sum() < len(rows)
    assert labels.tolist() == classifier.classify(frames).labels.tolist()
    np.testing.assert_array_equal(labels == "unknown", rejected)
    np.testing.assert_array_equal(rejected, rows["distances"].min(axis=1) > limit)
    np.testing.assert_array_equal(rejected, (rows["flags"] & Flag.FAR.bits) != 0)
    assert not (rows["flags"] & Flag.UNSURE.bits).any()


def test_a_shot_between_classes_is_unknown_and_the_flags_say_why(
    model, supports, mask, draw_shots
):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    frames, _ = draw_shots(24, seed=3)
    every = Classifier(model, supports, preprocessor).classify(frames, find_hits=False)
    scores = every.scores
    limit = float(np.median(scores.max(axis=1)))
    settings = Classification(reject_above_distance=False, reject_below_score=limit)
    classifier = Classifier(model, supports, preprocessor, settings)

    rows = Pipeline(classifier, HitFinding(enabled=False)).classify(batch(frames)).rows

    unsure = (rows["flags"] & Flag.UNSURE.bits) != 0
    assert 0 < unsure.sum() < len(rows)
    np.testing.assert_array_equal(unsure, (rows["flags"] & Flag.REJECTED.bits) != 0)
    np.testing.assert_array_equal(unsure, rows["score"] < np.float32(limit))
    assert not (rows["flags"] & Flag.FAR.bits).any()


@pytest.fixture
def before_network(pipeline):
    """Return a function that has another one called with what the network gets.

    Its first layer, that is: some methods of a network call no hooks.
    """
    hooks = []

    def call(watch):
        encoder = pipeline.classifier.model.encoder
        first = encoder.convolution_1
        hook = first.register_forward_pre_hook(lambda _, given: watch(given[0]))
        hooks.append(hook)

    yield call
    for hook in hooks:
        hook.remove()


def test_shots_without_a_hit_never_reach_the_network(
    pipeline, draw_shots, before_network
):
    frames, names = draw_shots(16)
    seen = []
    before_network(lambda inputs: seen.append(len(inputs)))

    rows = pipeline.classify(batch(list(frames))).rows

    assert sum(seen) == int((names != "no-hit").sum()) == 12
    assert np.isnan(rows["distances"][names == "no-hit"]).all()


def test_a_shot_that_breaks_the_network_is_skipped_and_the_others_are_classified(
    pipeline, draw_shots, before_network
):
    frames, _ = draw_shots(3)
    preprocessor = pipeline.classifier.preprocessor
    poison = preprocessor.normalise(preprocessor.crop(frames[1:2]).photons)

    def refuse(inputs):
        if any(np.array_equal(one[0], poison[0]) for one in inputs):
            raise RuntimeError("poisoned")

    before_network(refuse)

    rows = pipeline.classify(batch(list(frames))).rows

    assert rows["flags"].tolist() == [0, Flag.FAILED, 0]
    assert (rows["label"] >= 0).tolist() == [True, False, True]


def test_frames_of_another_shape_than_the_supports_are_all_skipped(pipeline):
    shots = gather(
        [Shot(index=i, timestamp_ns=0, frame=np.ones((90, 90))) for i in range(3)],
        (90, 90),
    )

    rows = pipeline.classify(shots).rows

    assert (rows["flags"] == Flag.WRONG_SHAPE).all()


@pytest.mark.parametrize("number", [0, 1])
def test_small_batches_work(pipeline, draw_shots, number):
    found = pipeline.classify(batch(list(draw_shots(4)[0][:number])))

    assert len(found.rows) == len(found.photons) == number


def test_masks_of_every_shot_change_their_own_rows_only(pipeline, draw_shots):
    frames, names = draw_shots(8)
    shots = batch(list(frames), names.tolist())
    bad = np.zeros(frames.shape, bool)
    bad[2] = True
    bad[4, 60:70, 60:70] = True
    spoilt = shots.frames.astype(np.float32)
    spoilt[bad] = 1e6

    plain = pipeline.classify(shots).rows
    rows = pipeline.classify(dataclasses.replace(shots, frames=spoilt, bad=bad)).rows

    others = [0, 1, 3, 5, 6, 7]
    for field in ("label", "flags", "photons", "lit_pixels"):
        np.testing.assert_array_equal(rows[field][others], plain[field][others])
    np.testing.assert_allclose(
        rows["distances"][others], plain["distances"][others], atol=1e-6
    )
    assert rows["flags"][2] == Flag.ALL_MASKED
    assert rows["flags"][4] == 0
    assert rows["photons"][4] <= plain["photons"][4]


def test_a_shot_whose_data_have_no_time_gets_a_row_without_one(pipeline, draw_shots):
    frames, _ = draw_shots(2)
    shots = blank_shots(0, 2, frames.shape[1:], frames.dtype)
    shots.frames[:] = frames
    shots.timestamp_ns[1] = 10**18

    times = pipeline.classify(shots).rows["timestamp_ns"].view("datetime64[ns]")

    assert np.isnat(times).tolist() == [True, False]
