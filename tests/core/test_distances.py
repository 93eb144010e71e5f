import math

import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.config.loading import resolved_yaml
from specklenn.core.distances import Classification, class_distances, softmax_scores
from specklenn.core.errors import ConfigError
from specklenn.core.settings_file import parse_yaml, validate


def unit_vectors(number, seed):
    vectors = np.random.default_rng(seed).normal(size=(number, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_class_distances_equal_the_papers_steps_one_by_one():
    queries, supports = unit_vectors(7, 0), unit_vectors(8, 1)
    classes = np.array([0, 0, 0, 1, 1, 2, 2, 2])

    found = class_distances(queries, supports, classes, 3)

    for query, row in zip(queries, found, strict=True):
        for code in range(3):
            distances = [
                math.dist(query, support)
                for support, of in zip(supports, classes, strict=True)
                if of == code
            ]
            assert row[code] == pytest.approx(sum(distances) / len(distances), abs=1e-6)


RULES = {
    "nearest": min,
    "soft": lambda d: -0.1 * math.log(sum(math.exp(-x / 0.1) for x in d) / len(d)),
}


@pytest.mark.parametrize("rule", RULES)
def test_other_rules_equal_their_definitions_one_by_one(rule):
    queries, supports = unit_vectors(7, 0), unit_vectors(5, 1)
    classes = np.array([0, 0, 0, 1, 1])

    found = class_distances(queries, supports, classes, 2, rule)

    for query, row in zip(queries, found, strict=True):
        for code in range(2):
            distances = [math.dist(query, s) for s in supports[classes == code]]
            assert row[code] == pytest.approx(RULES[rule](distances), abs=1e-6)


def prototype_fn(means, numbers):
    """Put classes somewhere that depends on all that is given."""
    return means[::-1] + numbers[:, None]


def test_the_learned_rule_measures_to_where_classes_are_put():
    queries, supports = unit_vectors(7, 0), unit_vectors(5, 1)
    classes = np.array([0, 0, 0, 1, 1])

    found = class_distances(queries, supports, classes, 2, "learned", prototype_fn)

    means = np.array([supports[classes == code].mean(axis=0) for code in range(2)])
    placed = prototype_fn(means, np.array([3, 2]))
    expected = np.linalg.norm(queries[:, None] - placed, axis=2)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_where_nothing_is_learned_the_rule_is_that_of_prototypes():
    queries, supports = unit_vectors(7, 0), unit_vectors(5, 1)
    classes = np.array([0, 0, 0, 1, 1])

    found = class_distances(queries, supports, classes, 2, "learned")

    prototype = class_distances(queries, supports, classes, 2, "prototype")
    np.testing.assert_array_equal(found, prototype)


@pytest.mark.parametrize("rule", ["mean", "nearest", "soft", "prototype"])
def test_other_rules_do_not_ask_for_prototypes(rule):
    queries, supports = unit_vectors(7, 0), unit_vectors(5, 1)
    classes = np.array([0, 0, 0, 1, 1])

    with_it, without = (
        class_distances(queries, supports, classes, 2, rule, known)
        for known in (prototype_fn, None)
    )

    np.testing.assert_array_equal(with_it, without)


def test_the_prototype_rule_measures_to_the_mean_of_the_supports():
    queries, supports = unit_vectors(7, 0), unit_vectors(5, 1)
    classes = np.array([0, 0, 0, 1, 1])

    found = class_distances(queries, supports, classes, 2, "prototype")

    mean = supports[:3].mean(axis=0)
    expected = np.linalg.norm(queries - mean, axis=1)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "nearest", "soft", "prototype"])
def test_with_one_support_per_class_all_rules_are_the_distance_to_it(rule):
    queries, supports = unit_vectors(7, 0), unit_vectors(2, 1)

    found = class_distances(queries, supports, np.arange(2), 2, rule)

    expected = np.linalg.norm(queries[:, None] - supports, axis=2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_soft_distances_lie_between_nearest_and_mean():
    queries, supports = unit_vectors(50, 0), unit_vectors(6, 1)
    nearest, soft, mean = (
        class_distances(queries, supports, np.zeros(6, int), 1, rule)
        for rule in ("nearest", "soft", "mean")
    )

    assert (nearest <= soft).all()
    assert (soft <= mean).all()


def test_the_distance_to_itself_is_zero_and_to_its_opposite_two():
    vectors = unit_vectors(1, 0)

    found = class_distances(
        vectors, np.concatenate([vectors, -vectors]), np.arange(2), 2
    )

    np.testing.assert_allclose(found, [[0, 2]], atol=1e-3)


def test_scores_sum_to_one_and_prefer_the_nearest():
    distances = np.array([[0.2, 0.4, 1.9], [1.0, 1.0, 1.0]], np.float32)

    scores = softmax_scores(distances, 0.1)

    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert scores[0, 0] / scores[0, 1] == pytest.approx(math.exp(2), rel=1e-4)
    np.testing.assert_allclose(scores[1], 1 / 3, rtol=1e-6)


def test_the_rule_is_open_unless_it_is_given():
    assert Classification().rule is None
    assert Classification(rule="soft").rule == "soft"


@pytest.mark.parametrize(
    "key", ["temperature", "reject_above_distance", "reject_below_score"]
)
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "much"])
def test_limits_and_temperatures_must_be_positive_numbers(key, value):
    with pytest.raises(ValidationError):
        Classification(**{key: value})


def test_a_limit_that_is_switched_off_in_yaml_stays_off_when_written_and_read():
    text = "reject_above_distance: off\nreject_below_score: 0.7\n"
    settings = validate(Classification, parse_yaml(text, "text"))

    again = validate(Classification, parse_yaml(resolved_yaml(settings), "again"))

    assert again == settings
    assert again.reject_above_distance is False
    assert again.reject_below_score == 0.7


def test_a_wrong_limit_is_one_sentence():
    with pytest.raises(ConfigError) as caught:
        validate(Classification, parse_yaml("reject_below_score: high", "c.yaml"))

    assert caught.value.problems == [
        "c.yaml:1: reject_below_score: 'high' found, expected a number above 0, or off"
    ]
