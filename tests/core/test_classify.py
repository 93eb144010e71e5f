import dataclasses

import numpy as np
import pytest
import torch

from specklenn.core import classify
from specklenn.core.classify import Classifier
from specklenn.core.distances import Classification
from specklenn.core.errors import ConfigError
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.preprocess import Preprocessing, Preprocessor


def test_a_pattern_gets_the_class_whose_supports_are_nearest_on_average(
    classifier, draw_shots
):
    frames, names = draw_shots(40, seed=5)
    hits = names != "no-hit"

    found = classifier.classify(frames[hits])

    vectors = classifier.embed(frames[hits])
    supports = classifier.embed(classifier.supports.frames)
    labels = np.array(classifier.supports.labels)
    for vector, label in zip(vectors, found.labels, strict=True):
        means = {
            name: np.linalg.norm(supports[labels == name] - vector, axis=1).mean()
            for name in classifier.classes
        }
        assert label == min(means, key=means.get)
    assert (found.labels == names[hits]).mean() > 0.9


def test_embeddings_do_not_depend_on_the_other_patterns_of_the_batch(
    classifier, draw_shots
):
    frames, _ = draw_shots(16)

    together = classifier.embed(frames)
    alone = np.concatenate([classifier.embed(frames[i : i + 1]) for i in range(16)])

    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_flat_pattern_gets_no_label_and_no_distance(classifier, draw_shots):
    frames, _ = draw_shots(2)
    frames[0] = 0

    found = classifier.classify(frames)

    assert found.labels[0] == ""
    assert np.isnan(found.distances[0]).all()
    assert np.isfinite(found.distances[1]).all()


def test_far_patterns_are_unknown_only_when_rejection_is_on(
    model, supports, mask, draw_shots
):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    strict = Classification(reject_above_distance=1e-3)
    frames, _ = draw_shots(4)

    rejecting = Classifier(model, supports, preprocessor, strict).classify(frames[:3])
    trusting = Classifier(model, supports, preprocessor).classify(frames[:3])

    assert set(rejecting.labels) == {"unknown"}
    assert "unknown" not in trusting.labels
    np.testing.assert_array_equal(rejecting.distances, trusting.distances)


def test_the_rule_of_the_settings_gives_the_distances(
    model, supports, mask, draw_shots
):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    frames, _ = draw_shots(4)
    nearest = Classifier(model, supports, preprocessor, Classification(rule="nearest"))

    found = distances(nearest, frames)

    vectors, given = nearest.embed(frames), nearest.embed(supports.frames)
    far = np.linalg.norm(vectors[:, None] - given, axis=2)
    for code, name in enumerate(nearest.classes):
        expected = far[:, supports.labels == name].min(axis=1)
        np.testing.assert_allclose(found[:, code], expected, atol=1e-3)


def distances(classifier, frames):
    """Distances of all shots, hits or not."""
    return classifier.classify(frames, find_hits=False).distances


def test_a_rule_that_is_left_open_is_the_models(model, supports, mask, draw_shots):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    frames, _ = draw_shots(4)
    choosy = dataclasses.replace(model, rule="prototype")

    found = distances(Classifier(choosy, supports, preprocessor), frames)

    prototype = Classifier(
        model, supports, preprocessor, Classification(rule="prototype")
    )
    papers = Classifier(choosy, supports, preprocessor, Classification(rule="mean"))
    np.testing.assert_array_equal(found, distances(prototype, frames))
    assert abs(distances(papers, frames) - found).max() > 1e-3


@pytest.fixture
def adapter_model(model):
    """Return the model with a network of the kind that has an adapter."""
    torch.manual_seed(2)
    return dataclasses.replace(
        model,
        rule="learned",
        encoder=CompactEncoder(48).eval(),
        preprocessing=Preprocessing(crop=96, bin=2, standardise=False),
    )


@pytest.mark.parametrize("all_known", [True, False])
def test_what_the_model_has_learned_counts_if_it_knows_all_classes(
    adapter_model, supports, mask, draw_shots, all_known
):
    if not all_known:
        classes = (*supports.classes[:-1], "ice")
        names = dict(zip(supports.classes, classes, strict=True))
        labels = np.array([names[label] for label in supports.labels])
        supports = dataclasses.replace(supports, labels=labels, classes=classes)
    preprocessor = Preprocessor(adapter_model.preprocessing, supports.shape, mask)
    frames, _ = draw_shots(4)
    classifier = Classifier(adapter_model, supports, preprocessor)

    found = distances(classifier, frames)

    vectors, given = classifier.embed(frames), classifier.embed(supports.frames)
    members = [supports.labels == name for name in supports.classes]
    prototypes = np.array([given[own].mean(axis=0, dtype=float) for own in members])
    if all_known:
        prototype_fn = make_prototype_fn(
            adapter_model.encoder.prototype_adapter, supports.classes
        )
        prototypes = prototype_fn(prototypes, np.array([own.sum() for own in members]))
    expected = np.linalg.norm(vectors[:, None] - prototypes, axis=2)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_prototypes_are_made_once_for_a_support_set_and_not_for_every_batch(
    adapter_model, supports, mask, draw_shots
):
    preprocessor = Preprocessor(adapter_model.preprocessing, supports.shape, mask)
    classifier = Classifier(adapter_model, supports, preprocessor)
    frames, _ = draw_shots(4)
    before = distances(classifier, frames)

    with torch.no_grad():
        adapter_model.encoder.prototype_adapter.offset.bias += 1

    np.testing.assert_array_equal(distances(classifier, frames), before)


def test_a_crop_that_does_not_fit_the_network_is_refused(model, supports):
    preprocessor = Preprocessor(Preprocessing(crop=64), supports.shape)

    with pytest.raises(ConfigError, match=r"32 pixels a side, the network .* takes 48"):
        Classifier(model, supports, preprocessor)


def test_every_support_that_cannot_be_used_is_named(model, supports):
    frames = supports.frames.copy()
    frames[[2, 5]] = 0
    spoiled = type(supports)(
        frames=frames,
        labels=supports.labels,
        classes=supports.classes,
        origins=supports.origins,
    )

    with pytest.raises(ConfigError) as caught:
        Classifier(model, spoiled, Preprocessor(model.preprocessing, supports.shape))

    assert [line.split(" cannot")[0] for line in caught.value.problems] == [
        "support: memory 2",
        "support: memory 5",
    ]


def test_a_classifier_loads_from_files(run_folder, draw_shots):
    classifier = Classifier.load(
        run_folder.path / "w.safetensors", run_folder.path / "support.yaml"
    )

    vectors = classifier.embed(draw_shots(3)[0])

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(96, 96), (100, 100), (130, 97)])
def test_the_packaged_model_embeds_frames_of_any_shape_without_supports(shape):
    frames = np.random.default_rng(0).poisson(3.0, (5, *shape)).astype(np.uint16)
    classifier = Classifier.load()

    vectors = classifier.embed(frames)

    assert (vectors.shape, vectors.dtype) == ((5, 128), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_embeddings_are_the_same_with_and_without_supports(model, supports, draw_shots):
    frames, _ = draw_shots(4)
    unmasked = dataclasses.replace(supports, mask=None)

    found = Classifier(model).embed(frames)

    np.testing.assert_array_equal(found, Classifier(model, unmasked).embed(frames))


def test_a_preprocessor_given_without_supports_is_used(model, supports, draw_shots):
    frames, _ = draw_shots(4)
    preprocessor = Preprocessor(
        model.preprocessing, supports.shape, adu_per_photon=20.0, offset_adu=100.0
    )

    found = Classifier(model, preprocessor=preprocessor).embed(20 * frames + 100)

    np.testing.assert_array_equal(found, Classifier(model).embed(frames))


def test_no_patterns_give_no_vectors_and_no_labels(classifier):
    nothing = np.zeros((0, 100, 100), np.uint16)

    assert classifier.embed(nothing).shape == (0, 128)
    assert classifier.classify(nothing).labels.shape == (0,)


@pytest.mark.parametrize("supported", [True, False])
def test_frames_that_cannot_be_classified_have_no_vector(
    model, supports, draw_shots, supported
):
    frames = draw_shots(5)[0].astype(np.float32)
    frames[0], frames[1], frames[2], frames[3] = np.nan, 7.0, 0.0, np.inf
    classifier = Classifier(model, supports if supported else None)

    vectors = classifier.embed(frames)

    assert np.isnan(vectors[:4]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[4]), 1, rtol=1e-5)


def test_nothing_is_embedded_where_every_pixel_is_masked(model, supports, draw_shots):
    preprocessor = Preprocessor(
        model.preprocessing, supports.shape, np.ones(supports.shape, bool)
    )

    with pytest.raises(ConfigError, match="all masked"):
        Classifier(model, supports, preprocessor)


@pytest.mark.parametrize(
    "given",
    [
        np.ones((3, 90, 100)),
        np.ones((100, 90)),
        np.ones((2, 3, 40, 100)),
        np.ones(100),
        np.float32(1),
        [np.ones((90, 100)), np.ones((90, 90))],
        [np.ones((2, 100, 100))],
        [1.0, 2.0],
    ],
)
def test_patterns_of_another_shape_are_refused_with_what_would_do(classifier, given):
    for method in (classifier.embed, classifier.classify):
        with pytest.raises(ConfigError, match=r"of shape .* found") as refused:
            method(given)

        (sentence,) = refused.value.problems
        for words in ("(N, 100, 100)", "a list", "modules", "photons per pixel"):
            assert words in sentence


@pytest.mark.parametrize("dtype", [complex, bool, "U3"])
def test_patterns_that_are_no_numbers_are_refused_with_their_type(classifier, dtype):
    frames = np.ones((2, 100, 100)).astype(dtype)
    for given in (frames, list(frames)):
        with pytest.raises(ConfigError, match=r"real numbers .*photons per pixel"):
            classifier.classify(given)


def test_masks_of_masked_arrays_are_not_dropped_in_silence(classifier):
    frames = np.ma.masked_less(np.ones((2, 100, 100)), 0.5)
    for given in (frames, list(frames)):
        with pytest.raises(ConfigError, match=r"masked array .*mask=\.\.\."):
            classifier.classify(given)


def test_shots_without_a_hit_are_no_hits_unless_all_count_as_hits(
    classifier, draw_shots
):
    frames, names = draw_shots(24, seed=5)

    found = classifier.classify(frames)
    all_hits = classifier.classify(frames, find_hits=False)

    dark = names == "no-hit"
    np.testing.assert_array_equal(found.labels == "no-hit", dark)
    assert np.isnan(found.scores[dark]).all()
    assert set(all_hits.labels) <= set(classifier.classes)
    np.testing.assert_allclose(found.scores[~dark], all_hits.scores[~dark], atol=1e-5)


def test_frames_come_in_every_form_and_mean_the_same(classifier, draw_shots):
    frames, _ = draw_shots(4)
    expected = classifier.classify(frames)

    for given in (
        list(frames),
        tuple(frames.astype(np.float64)),
        frames.reshape(4, 2, 50, 100),
        list(frames.reshape(4, 5, 20, 100)),
        frames.tolist(),
    ):
        found = classifier.classify(given)
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(found.distances, expected.distances, atol=1e-5)
    for given in (frames[0], frames[0].tolist(), frames[0].reshape(2, 50, 100)):
        assert classifier.classify(given).labels.tolist() == [expected.labels[0]]
    assert len(classifier.classify([])) == 0


def test_frames_that_cannot_be_used_are_told_with_a_reason(classifier, draw_shots):
    frames = list(draw_shots(8)[0].astype(np.float32))
    frames[0] = None
    frames[1] = np.ones((50, 100))
    frames[2] = np.full((100, 100), np.nan)
    frames[3] = np.zeros((100, 100))
    frames[4] = np.full((100, 100), 3.0)

    found = classifier.classify(frames)

    assert found.reasons[:5].tolist() == [
        "unreadable",
        "wrong shape",
        "NaN or absurd pixels",
        "empty",
        "flat",
    ]
    assert (found.labels == "").tolist() == [True] * 5 + [False] * 3
    assert (found.reasons[5:] == "").all()


def test_what_is_said_of_shots_is_a_table_with_named_columns(classifier, draw_shots):
    frames, _ = draw_shots(4)
    frames[0] = 0

    table = classifier.classify(frames).table

    assert table.names == (
        "label",
        "score",
        "score single-hit",
        "score multi-hit",
        "score non-sample-hit",
        "distance single-hit",
        "distance multi-hit",
        "distance non-sample-hit",
        "photons",
        "lit_pixels",
        "flags",
        "reason",
    )
    assert table["flags"].tolist() == ["empty", "", "", "no-hit"]
    assert table[table["label"] == "no-hit"]["photons"] == frames[3, 2:98, 2:98].sum()


def test_many_frames_are_classified_in_parts_with_the_same_result(
    classifier, draw_shots, monkeypatch
):
    frames, _ = draw_shots(23)
    expected = classifier.classify(frames)
    monkeypatch.setattr(classify, "SHOTS_AT_ONCE", 5)

    found = classifier.classify(frames)

    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_array_equal(found.lit_pixels, expected.lit_pixels)
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-5)


def test_a_mask_can_be_given_and_is_that_of_the_supports_too(
    run_folder, supports, model, mask, draw_shots
):
    files = run_folder.path / "w.safetensors", run_folder.path / "support.yaml"
    frames = draw_shots(8)[0].astype(np.float32)
    glaring = frames.copy()
    glaring[:, mask] = 1e9

    found = Classifier.load(*files, mask=mask).classify(glaring)
    modules = Classifier.load(*files, mask=mask.reshape(2, 50, 100)).classify(glaring)

    expected = Classifier.load(*files, mask=mask).classify(frames)
    assert "" not in found.labels
    np.testing.assert_array_equal(found.distances, expected.distances)
    np.testing.assert_array_equal(modules.distances, expected.distances)
    with pytest.raises(
        ConfigError, match=r"mask of shape \(4, 5\) found, \(100, 100\)"
    ):
        Classifier.load(*files, mask=np.zeros((4, 5)))


def test_frames_that_the_crop_does_not_fit_into_are_refused_without_supports(model):
    with pytest.raises(
        ConfigError, match="96 pixels around 40 do not fit into 80 rows"
    ):
        Classifier(model).embed(np.ones((2, 80, 120)))


def test_a_classifier_without_supports_says_so_when_it_is_to_classify(
    model, draw_shots
):
    with pytest.raises(ConfigError, match="support: this classifier has none") as one:
        Classifier(model).classify(draw_shots(4)[0])

    assert len(one.value.problems) == 1


@pytest.fixture
def by_ensemble(classifier):
    settings = Classification(rule="ensemble")
    return Classifier(
        classifier.model, classifier.supports, classifier.preprocessor, settings
    )


def seen_by(classifier, frames):
    preprocessor = classifier.preprocessor
    return preprocessor.normalise(preprocessor.crop(frames).photons)


def test_fitted_to_hits_scores_change_and_the_classifier_itself_does_not(
    by_ensemble, draw_shots
):
    frames, names = draw_shots(80, seed=5)
    frames = frames[names != "no-hit"]
    before = by_ensemble.classify(frames)

    fitted = by_ensemble.following(seen_by(by_ensemble, frames[:40]))

    after = by_ensemble.classify(frames)
    np.testing.assert_array_equal(after.distances, before.distances)
    assert (fitted.classify(frames).distances != before.distances).all()
    assert (fitted.classify(frames).labels == before.labels).mean() > 0.9


def test_the_hits_of_an_earlier_fit_are_forgotten(by_ensemble, draw_shots):
    frames, names = draw_shots(80, seed=5)
    hits = seen_by(by_ensemble, frames[names != "no-hit"])

    twice = by_ensemble.following(hits[:20]).following(hits[20:])

    once = by_ensemble.following(hits[20:])
    np.testing.assert_array_equal(
        twice.classify(frames).distances, once.classify(frames).distances
    )


def test_hits_of_another_size_than_the_networks_are_refused(by_ensemble):
    with pytest.raises(ConfigError, match=r"hits of shape \(9, 9\) found, \(48, 48\)"):
        by_ensemble.following(np.zeros((3, 9, 9), np.float32))
