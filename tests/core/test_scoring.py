import math

import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.scoring import Classification, mean_distances, softmax_scores


def unit_vectors(number, seed):
    vectors = np.random.default_rng(seed).normal(size=(number, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_mean_distances_equal_the_papers_steps_one_by_one():
    queries, supports = unit_vectors(7, 0), unit_vectors(8, 1)
    classes = np.array([0, 0, 0, 1, 1, 2, 2, 2])

    found = mean_distances(queries, supports, classes, 3)

    for query, row in zip(queries, found, strict=True):
        for code in range(3):
            distances = [
                math.dist(query, support)
                for support, of in zip(supports, classes, strict=True)
                if of == code
            ]
            assert row[code] == pytest.approx(sum(distances) / len(distances), abs=1e-6)


def test_the_distance_to_itself_is_zero_and_to_its_opposite_two():
    vectors = unit_vectors(1, 0)

    found = mean_distances(
        vectors, np.concatenate([vectors, -vectors]), np.arange(2), 2
    )

    np.testing.assert_allclose(found, [[0, 2]], atol=1e-3)


def test_scores_sum_to_one_and_prefer_the_nearest():
    distances = np.array([[0.2, 0.4, 1.9], [1.0, 1.0, 1.0]], np.float32)

    scores = softmax_scores(distances, 0.1)

    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert scores[0, 0] / scores[0, 1] == pytest.approx(math.exp(2), rel=1e-4)
    np.testing.assert_allclose(scores[1], 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("key", ["temperature", "reject_above_distance"])
def test_distances_and_temperatures_must_be_positive(key):
    with pytest.raises(ValidationError):
        Classification(**{key: 0})
