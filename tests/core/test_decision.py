import numpy as np
import pytest

from specklenn.core.decision import DecisionRule
from specklenn.core.distances import make_distance_fn

SUPPORTS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
QUERIES = np.array([[1, 0], [0.6, 0.8], [-1, 0], [0.8, 0.6]], np.float32)


def decide(limit=None, temperature=0.5, queries=QUERIES):
    distance_fn = make_distance_fn(SUPPORTS, np.arange(2), 2)
    return DecisionRule(
        distance_fn=distance_fn, temperature=temperature, reject_above_distance=limit
    ).decide(queries)


def test_the_nearest_class_wins_by_distances_and_probabilities_worked_out_here():
    found = decide()

    expected = np.linalg.norm(QUERIES[:, None] - SUPPORTS, axis=2)
    powers = np.exp(-expected / 0.5)
    np.testing.assert_allclose(found.distances, expected, atol=1e-6)
    np.testing.assert_allclose(
        found.scores, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5
    )
    assert found.codes.tolist() == [0, 1, 1, 0]
    assert not found.rejected.any()


def test_what_is_farther_than_the_limit_from_every_class_is_unknown():
    found = decide(limit=1.0)

    assert found.codes.tolist() == [0, 1, 2, 0]
    assert found.rejected.tolist() == [False, False, True, False]
    np.testing.assert_array_equal(found.distances, decide().distances)
    np.testing.assert_array_equal(found.scores, decide().scores)


@pytest.mark.parametrize("limit", [None, 1.0])
def test_nothing_is_decided_about_nothing(limit):
    found = decide(limit, queries=QUERIES[:0])

    assert found.distances.shape == found.scores.shape == (0, 2)
    assert found.codes.shape == found.rejected.shape == (0,)
