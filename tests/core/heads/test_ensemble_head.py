"""Experts that know, experts that do not, and which of them the supports believe."""

import numpy as np
import pytest
import torch

from specklenn.core.decision import make_head
from specklenn.core.heads.ensemble_head import (
    ADAPTER_PRIOR,
    PROTOTYPE_PRIOR,
    SHARPNESS_PRIOR,
    EnsembleHead,
)
from specklenn.core.heads.head import FeatureBlock, FeatureLayout, Task
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.features import feature_layout

LAYOUT = FeatureLayout(embedding_size=8, blocks=(FeatureBlock(name="fano", size=6),))
CLASSES = ("a", "b", "c")


def patterns(each, seed, *, by_embedding=True, by_others=True, spread=0.3):
    """Features of three classes, and their numbers; each part may say nothing."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(3), each)
    embeddings = spread * random.normal(size=(3 * each, 8))
    others = spread * random.normal(size=(3 * each, 6))
    embeddings[:, :3] += np.eye(3)[codes] if by_embedding else 1 / 3
    others[:, :3] += np.eye(3)[codes] if by_others else 1 / 3
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.concatenate((embeddings, others), axis=1).astype(np.float32), codes


def fit(supports, codes, n_classes=3, unlabelled=None, prototype_fn=None):
    head = EnsembleHead(layout=LAYOUT, temperature=0.1, prototype_fn=prototype_fn)
    task = Task(
        supports=supports, classes=codes, n_classes=n_classes, unlabelled=unlabelled
    )
    return head.fit(task)


def accuracy(fitted, queries, codes):
    return (fitted(queries).scores.argmax(axis=1) == codes).mean()


def weights(fitted):
    """Of prototypes first, then of the other experts."""
    return fitted.weights.sum(axis=1)


def keep(means, counts):
    return means


def swap(means, counts):
    return np.roll(means, 1, axis=0)


def test_scores_are_probabilities_and_distances_grow_away_from_all_supports():
    fitted = fit(*patterns(5, 0))
    queries, _ = patterns(20, 1)
    strange = queries.copy()
    strange[:, :8] *= -1
    strange[:, 8:] -= 30

    found = fitted(queries)

    assert found.scores.dtype == found.distances.dtype == np.float32
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0, rtol=1e-5)
    assert (found.scores >= 0).all()
    nearest, beyond = (fitted(one).distances.min(axis=1) for one in (queries, strange))
    assert beyond.min() > nearest.max()


def test_a_support_of_the_own_class_is_about_one_away():
    fitted = fit(*patterns(20, 0))
    queries, codes = patterns(200, 1)

    own = fitted(queries).distances[np.arange(600), codes]

    assert np.median(own) == pytest.approx(1.0, abs=0.2)


def test_one_label_a_class_leaves_the_prior():
    supports, codes = patterns(1, 0)

    plain = fit(supports, codes).weights
    adapted = fit(supports, codes, prototype_fn=keep).weights

    for found, first in ((plain, PROTOTYPE_PRIOR), (adapted, ADAPTER_PRIOR[1])):
        others = [(1 - first) / (len(found) - 1)] * (len(found) - 1)
        np.testing.assert_allclose(found, np.outer([first, *others], SHARPNESS_PRIOR))


def test_weights_follow_the_evidence():
    """Where the embedding says nothing, prototypes of embeddings lose; or else win."""
    blind = fit(*patterns(8, 0, by_embedding=False))
    seeing = fit(*patterns(8, 0, by_others=False, spread=0.1))

    assert weights(blind)[0] < 0.02
    assert weights(seeing)[0] > weights(blind)[0]
    assert accuracy(blind, *patterns(100, 1, by_embedding=False)) > 0.85


@pytest.mark.parametrize("each", [2, 5, 20])
def test_an_adapter_that_misjudges_its_own_supports_is_not_believed(each):
    supports, codes = patterns(each, 0)

    fitted = fit(supports, codes, prototype_fn=swap)

    assert weights(fitted)[0] < 0.25
    assert accuracy(fitted, *patterns(100, 1)) > 0.9


def test_with_one_label_a_class_only_the_own_supports_speak_against_an_adapter():
    found = [
        weights(fit(*patterns(1, 0), prototype_fn=make))[0] for make in (keep, swap)
    ]

    np.testing.assert_allclose(found, ADAPTER_PRIOR[::-1])


def test_the_more_labels_the_surer_is_the_choice_among_experts():
    found = [
        weights(fit(*patterns(each, 0, by_embedding=False)))[0] for each in (1, 3, 10)
    ]

    assert found[0] > found[1] > found[2]


def test_the_single_support_of_a_class_is_never_held_out():
    supports, codes = patterns(5, 0)
    kept = np.concatenate(([0], np.arange(5, 15)))

    fitted = fit(supports[kept], codes[kept])

    assert accuracy(fitted, *patterns(100, 1)) > 0.8
    assert np.isfinite(fitted.weights).all()


def test_one_wrong_label_in_five_hurts_little():
    """One in every class, ten times."""
    losses = []
    for seed in range(10):
        supports, codes = patterns(5, seed, spread=0.2)
        wrong = codes.copy()
        wrong[[0, 5, 10]] = [1, 2, 0]
        queries = patterns(200, 100 + seed, spread=0.2)
        right, misled = (fit(supports, of) for of in (codes, wrong))
        losses.append(accuracy(right, *queries) - accuracy(misled, *queries))

    assert np.mean(losses) < 0.03


def test_the_same_task_gives_the_same_answers():
    queries, _ = patterns(20, 1)

    one, other = (
        fit(*patterns(12, 0), unlabelled=patterns(30, 2)[0])(queries) for _ in range(2)
    )

    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.distances, other.distances)


@pytest.mark.parametrize("each", [1, 5])
def test_permuting_classes_permutes_scores(each):
    supports, codes = patterns(each, 0)
    queries, _ = patterns(50, 1)
    order = np.array([2, 0, 1])

    found = fit(supports, codes)(queries).scores
    permuted = fit(supports, order[codes])(queries).scores[:, order]

    # Which of several supports are held out together changes, so weights do a little.
    atol = 1e-6 if each == 1 else 0.2
    np.testing.assert_allclose(permuted, found, atol=atol)
    assert (permuted.argmax(axis=1) == found.argmax(axis=1)).mean() > 0.97


@pytest.mark.parametrize(
    "classes",
    [
        CLASSES,
        ("single-hit", "multi-hit", "non-sample-hit"),
        ("", " ", "Tröpfchen 液"),
        ("single-hit", "single-hit 2", "no-hit"),
    ],
)
def test_classes_may_be_called_anything(classes):
    torch.manual_seed(0)
    encoder = CompactEncoder(32, 16).eval()
    size = feature_layout(encoder).size
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(3), 5)
    features = random.normal(size=(15, size)).astype(np.float32)
    features[:, :16] /= np.linalg.norm(features[:, :16], axis=1, keepdims=True)

    head = make_head(encoder, classes, "ensemble", 0.1)
    found = head.fit(Task(supports=features, classes=codes, n_classes=3))(features)

    assert np.isfinite(found.scores).all()
    assert (found.scores.argmax(axis=1) == codes).mean() > 0.5


def all_alike(number):
    return np.repeat(patterns(1, 0)[0][:1], number, axis=0)


@pytest.mark.parametrize(
    ("supports", "codes"),
    [
        (np.repeat(patterns(1, 0)[0], 2, axis=0), np.repeat([0, 1, 2], 2)),
        (all_alike(3), np.arange(3)),
        (all_alike(9), np.repeat([0, 1, 2], 3)),
        (np.repeat(patterns(3, 0)[0][:5], 3, axis=0), np.arange(15) % 3),
    ],
    ids=["each twice", "one a class, alike", "all alike", "the same in every class"],
)
@pytest.mark.parametrize("unlabelled", [None, patterns(9, 3)[0], all_alike(4)])
@pytest.mark.parametrize("prototype_fn", [None, keep])
def test_supports_that_say_little_give_finite_scores(
    supports, codes, unlabelled, prototype_fn
):
    fitted = fit(supports, codes, unlabelled=unlabelled, prototype_fn=prototype_fn)

    found = fitted(patterns(20, 1)[0])

    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.distances).all()
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0, rtol=1e-5)


def test_of_supports_that_contradict_each_other_nothing_is_sure():
    """The same patterns in every class."""
    supports = np.tile(patterns(3, 0)[0], (3, 1))

    found = fit(supports, np.repeat([0, 1, 2], 9))(patterns(20, 1)[0])

    assert found.scores.max() < 0.6


def test_unlabelled_shots_tell_where_the_classes_are():
    """Two supports a class that lie aside of it, all in the same way."""
    gains = []
    for seed in range(8):
        supports, codes = patterns(2, seed, by_embedding=False, spread=0.2)
        aside = 0.4 * np.random.default_rng(seed).normal(size=(3, 3))
        supports[:, 8:11] += aside[codes].astype(np.float32)
        run = patterns(150, 50 + seed, by_embedding=False, spread=0.2)
        alone, helped = (
            fit(supports, codes, unlabelled=shots) for shots in (None, run[0])
        )
        gains.append(accuracy(helped, *run) - accuracy(alone, *run))

    assert np.mean(gains) > 0.08


def test_two_classes_and_many_work_alike():
    random = np.random.default_rng(0)
    for number in (2, 7):
        middles = random.normal(size=(number, 14))
        codes = np.repeat(np.arange(number), 6)
        supports = (middles[codes] + 0.1 * random.normal(size=(6 * number, 14))).astype(
            np.float32
        )
        supports[:, :8] /= np.linalg.norm(supports[:, :8], axis=1, keepdims=True)

        found = fit(supports, codes, number)(supports)

        assert found.scores.shape == (6 * number, number)
        assert (found.scores.argmax(axis=1) == codes).all()


def test_nothing_is_said_about_nothing():
    found = fit(*patterns(5, 0))(patterns(0, 1)[0])

    assert found.scores.shape == found.distances.shape == (0, 3)
