import numpy as np
import pytest

from specklenn.core.decision import DecisionRule
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout, Task
from specklenn.core.rejection import Limits

SUPPORTS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
QUERIES = np.array([[1, 0], [0.6, 0.8], [-1, 0], [0.8, 0.6]], np.float32)


def decide(limits=None, queries=QUERIES):
    head = DistanceHead(
        rule="mean", layout=FeatureLayout(embedding_size=2, blocks=()), temperature=0.5
    )
    fitted = head.fit(Task(supports=SUPPORTS, classes=np.arange(2), n_classes=2))
    return DecisionRule(head=fitted, limits=limits or Limits()).decide(queries)


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
    found = decide(Limits(above_distance=1.0))

    assert found.codes.tolist() == [0, 1, 2, 0]
    assert found.far.tolist() == found.rejected.tolist() == [False, False, True, False]
    assert not found.unsure.any()
    np.testing.assert_array_equal(found.distances, decide().distances)
    np.testing.assert_array_equal(found.scores, decide().scores)


def test_what_no_class_is_probable_for_is_unknown_too():
    found = decide(Limits(above_distance=1.0, below_score=0.7))

    assert found.scores[[1, 3]].max() < 0.7 < found.scores[0, 0]
    assert found.codes.tolist() == [0, 2, 2, 2]
    assert found.far.tolist() == [False, False, True, False]
    assert found.unsure.tolist() == [False, True, False, True]


@pytest.mark.parametrize("limits", [None, Limits(above_distance=1.0, below_score=0.7)])
def test_nothing_is_decided_about_nothing(limits):
    found = decide(limits, queries=QUERIES[:0])

    assert found.distances.shape == found.scores.shape == (0, 2)
    assert found.codes.shape == found.rejected.shape == (0,)
