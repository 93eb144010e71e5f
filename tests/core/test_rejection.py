import numpy as np
import pytest

from specklenn.core.distances import Classification
from specklenn.core.rejection import ENSEMBLE_DISTANCE, ENSEMBLE_SCORE, Limits

NONE = Limits()
OWN = Limits(above_distance=ENSEMBLE_DISTANCE, below_score=ENSEMBLE_SCORE)


@pytest.mark.parametrize(
    ("rule", "settings", "expected"),
    [
        ("ensemble", {}, OWN),
        ("nearest", {}, NONE),
        ("nearest", {"reject_above_distance": 0.4}, Limits(above_distance=0.4)),
        ("mean", {"reject_below_score": 0.8}, Limits(below_score=0.8)),
        (
            "ensemble",
            {"reject_above_distance": False, "reject_below_score": False},
            NONE,
        ),
        (
            "ensemble",
            {"reject_above_distance": False},
            Limits(below_score=ENSEMBLE_SCORE),
        ),
        (
            "ensemble",
            {"reject_below_score": 0.9},
            Limits(above_distance=ENSEMBLE_DISTANCE, below_score=0.9),
        ),
    ],
)
def test_what_is_set_counts_then_what_the_rule_has_of_its_own(rule, settings, expected):
    assert Limits.of(Classification(**settings), rule) == expected


def test_patterns_are_unknown_for_either_reason():
    limits = Limits(above_distance=1.0, below_score=0.6)
    distances = np.array([[0.5, 2], [2, 3], [0.5, 0.6], [2, 2.1], [1.0, 3]])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.5, 0.5], [0.6, 0.4]])

    assert limits.far(distances).tolist() == [False, True, False, True, False]
    assert limits.unsure(scores).tolist() == [False, False, True, True, False]
    expected = [False, True, True, True, False]
    assert limits.unknown(distances, scores).tolist() == expected
    assert not NONE.unknown(distances, scores).any()
