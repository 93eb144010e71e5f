"""Models as few-shot classifiers."""

import numpy as np
import pytest
import torch

from specklenn.core.distances import class_distances
from specklenn.core.evaluation.classifiers import (
    model_classifier,
    scores_of_distances,
    scores_of_labels,
)
from specklenn.core.evaluation.few_shot import Draw
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn

TWO = (SINGLE_HIT, MULTI_HIT)
TEMPERATURE = 0.3


@pytest.fixture
def embeddings():
    """Unit vectors, (12, 6)."""
    vectors = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_heads(rules, prototype_fn=None):
    return {
        f"by {rule}": DistanceHead(
            rule=rule,
            layout=FeatureLayout(embedding_size=6, blocks=()),
            temperature=TEMPERATURE,
            prototype_fn=prototype_fn,
        )
        for rule in rules
    }


def test_every_head_is_a_variant_in_the_order_given(embeddings):
    heads = make_heads(("nearest", "mean", "prototype"))

    found = model_classifier("a", embeddings, heads).variants

    assert [one.variant for one in found] == ["by nearest", "by mean", "by prototype"]
    assert all(one.method == "a" and one.sees_supports for one in found)


def test_distances_are_those_of_every_rule_between_the_rows_given(embeddings):
    torch.manual_seed(7)
    prototype_fn = make_prototype_fn(PrototypeAdapter(6), TWO)
    rules = ("learned", "mean", "soft")
    supports, classes = np.array([4, 9, 1, 0]), np.array([0, 0, 1, 1])
    queries = np.array([2, 3, 11])
    draw = Draw(supports_by_class=[[4, 9], [1, 0]], queries_by_class=[], seed=0)

    classifier = model_classifier("a", embeddings, make_heads(rules, prototype_fn))
    found = classifier.fit(draw)(queries)

    for answer, rule in zip(found, rules, strict=True):
        wanted = class_distances(
            embeddings[queries], embeddings[supports], classes, 2, rule, prototype_fn
        )
        powers = np.exp(-wanted / TEMPERATURE)
        np.testing.assert_array_equal(answer.distances, wanted)
        np.testing.assert_allclose(
            answer.scores, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5
        )


def test_the_nearest_class_has_the_highest_score_where_distances_are_all_one_knows():
    distances = np.random.default_rng(1).uniform(0, 5, (20, 4))

    found = scores_of_distances(distances)

    assert (found.scores.argmax(axis=1) == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(found.scores.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


def test_a_label_is_the_nearest_and_likeliest_class_and_others_are_alike():
    found = scores_of_labels(np.array([2, 0]), 3)

    assert found.distances.tolist() == [[1, 1, 0], [0, 1, 1]]
    assert found.scores.argmax(axis=1).tolist() == [2, 0]
    assert found.scores[0, 0] == found.scores[0, 1] == found.scores[1, 1]
