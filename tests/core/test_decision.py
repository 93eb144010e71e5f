import numpy as np
import pytest

from specklenn.core.decision import DecisionRule
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import ClassScores, FeatureLayout, Task

SUPPORTS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
QUERIES = np.array([[1, 0], [0.6, 0.8], [-1, 0], [0.8, 0.6]], np.float32)


def decide(limit=None, temperature=0.5, queries=QUERIES):
    layout = FeatureLayout(embedding_size=2, blocks=())
    head = DistanceHead(rule="mean", layout=layout, temperature=temperature)
    fitted = head.fit(Task(supports=SUPPORTS, classes=np.arange(2), n_classes=2))
    return DecisionRule(head=fitted, reject_above_distance=limit).decide(queries)


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


def test_the_highest_score_wins_whatever_the_distances_are():
    answer = ClassScores(
        distances=np.float32([[3, 0.1], [3, 5]]), scores=np.float32([[0.9, 0.1]] * 2)
    )

    found = DecisionRule(head=lambda _: answer, reject_above_distance=1.0).decide(
        QUERIES[:2]
    )

    assert found.codes.tolist() == [0, 2]
    np.testing.assert_array_equal(found.scores, answer.scores)


@pytest.mark.parametrize("limit", [None, 1.0])
def test_nothing_is_decided_about_nothing(limit):
    found = decide(limit, queries=QUERIES[:0])

    assert found.distances.shape == found.scores.shape == (0, 2)
    assert found.codes.shape == found.rejected.shape == (0,)
