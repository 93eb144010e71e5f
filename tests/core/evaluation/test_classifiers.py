"""Models as few-shot classifiers."""

import numpy as np
import pytest
import torch

from specklenn.core.distances import class_distances
from specklenn.core.evaluation.classifiers import embedding_classifier
from specklenn.core.evaluation.few_shot import Draw
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn

TWO = (SINGLE_HIT, MULTI_HIT)


@pytest.fixture
def embeddings():
    """Unit vectors, (12, 6)."""
    vectors = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_every_rule_is_a_variant_and_the_first_is_the_models_own(embeddings):
    def variants(*rules):
        found = embedding_classifier("a", embeddings, rules).variants
        return [each.variant for each in found]

    assert variants("nearest", "mean", "prototype") == [
        "nearest (own)",
        "mean",
        "prototype",
    ]
    assert variants("mean", "mean", "prototype") == ["mean (own)", "prototype"]


def test_distances_are_those_of_every_rule_between_the_rows_given(embeddings):
    torch.manual_seed(7)
    prototype_fn = make_prototype_fn(PrototypeAdapter(6), TWO)
    rules = ("learned", "mean", "soft")
    supports, classes = np.array([4, 9, 1, 0]), np.array([0, 0, 1, 1])
    queries = np.array([2, 3, 11])
    draw = Draw(supports_by_class=[[4, 9], [1, 0]], queries_by_class=[], seed=0)

    classifier = embedding_classifier("a", embeddings, rules, prototype_fn)
    found = classifier.fit(draw)(queries)

    for distances, rule in zip(found, rules, strict=True):
        wanted = class_distances(
            embeddings[queries], embeddings[supports], classes, 2, rule, prototype_fn
        )
        np.testing.assert_array_equal(distances, wanted)
