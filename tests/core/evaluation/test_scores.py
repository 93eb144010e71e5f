import statistics

import numpy as np
import pytest
from scipy import stats

from specklenn.core.evaluation.scores import mean_score, score_labels, summarise
from specklenn.core.intervals import mean_interval
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT

TWO = (SINGLE_HIT, MULTI_HIT)


def guessed(seed, queries=40):
    """The score of random labels, half of the queries of each class."""
    true = np.repeat([0, 1], queries // 2)
    return score_labels(true, np.random.default_rng(seed).permutation(true), 2)


def perfect():
    """The score of 40 queries, half of each class, all right."""
    true = np.repeat([0, 1], 20)
    return score_labels(true, true, 2)


def test_scores_are_those_of_the_definitions():
    score = score_labels(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 1]), 2)

    assert score.accuracy == pytest.approx(4 / 6)
    assert score.precision == pytest.approx(3 / 4)
    assert score.recall == pytest.approx(3 / 4)
    assert score.f1 == pytest.approx(3 / 4)
    assert score.confusion.tolist() == [[3, 1], [1, 1]]


def test_precision_is_zero_where_nothing_was_taken_for_the_class():
    score = score_labels(np.array([0, 0, 1]), np.array([1, 1, 1]), 2)

    assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)


def test_draws_of_a_sample_are_averaged_and_their_queries_counted_together():
    first, second = guessed(0), guessed(1)

    mean = mean_score([first, second])

    assert mean.accuracy == pytest.approx((first.accuracy + second.accuracy) / 2)
    assert mean.confusion.sum() == 80


def test_the_confusion_says_what_was_taken_for_what():
    true = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    score = score_labels(true, np.zeros(8, np.int64), 2)

    found = summarise({"a": score, "b": score}, TWO)

    everything = {SINGLE_HIT: 1.0, MULTI_HIT: 0.0}
    assert found.confusion == {SINGLE_HIT: everything, MULTI_HIT: everything}
    assert found.precision == 0.5
    assert found.recall == 1.0


def test_accuracy_is_the_mean_of_the_right_shares():
    """With as many queries of every sample and class."""
    found = summarise({"a": guessed(0), "b": guessed(1), "c": guessed(2)}, TWO)

    singles, multis = found.confusion.values()
    right = (singles[SINGLE_HIT] + multis[MULTI_HIT]) / 2
    assert found.accuracy.mean == pytest.approx(right)
    assert sum(singles.values()) == pytest.approx(1)


@pytest.mark.parametrize("quantity", ["accuracy", "f1"])
def test_intervals_are_over_samples(quantity):
    found = summarise({str(seed): guessed(seed) for seed in range(5)}, TWO)

    values = [getattr(score, quantity) for score in found.per_sample.values()]
    estimate = getattr(found, quantity)
    assert estimate.mean == pytest.approx(statistics.mean(values))
    assert (estimate.low, estimate.high) == mean_interval(values, 5 * 40)


def test_draws_do_not_count_the_shots_of_a_sample_again():
    once = summarise({"a": perfect(), "b": perfect()}, TWO)
    five_times = mean_score([perfect()] * 5)
    often = summarise({"a": five_times, "b": five_times}, TWO)

    assert often.accuracy == once.accuracy
    assert summarise({"a": five_times}, TWO).f1 == summarise({"a": perfect()}, TWO).f1


def test_the_interval_of_one_sample_is_over_its_shots():
    """Wilson's of 40 right shots of 40, and of the 20 that are single-hits."""
    found = summarise({"a": perfect()}, TWO)

    wilson = stats.binomtest(40, 40).proportion_ci(0.95, method="wilson")
    assert found.accuracy.low == pytest.approx(wilson.low)
    share = stats.binomtest(20, 20).proportion_ci(0.95, method="wilson").low
    assert found.f1.low == pytest.approx(2 * share / (1 + share))
    assert found.accuracy.high == found.f1.high == 1


def test_draws_that_differ_make_the_interval_of_one_sample_wider():
    sample = mean_score([guessed(seed) for seed in range(5)])
    found = summarise({"a": sample}, TWO)

    alone = summarise({"a": mean_score([guessed(1)] * 5)}, TWO)
    for quantity in ("accuracy", "f1"):
        wide, narrow = getattr(found, quantity), getattr(alone, quantity)
        assert wide.low < wide.mean < wide.high
        assert wide.high - wide.low > narrow.high - narrow.low


def test_a_class_that_nothing_was_taken_for_has_an_interval():
    none_found = score_labels(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), 2)

    f1 = summarise({"a": none_found}, TWO).f1

    assert f1.mean == f1.low == 0
    assert 0 < f1.high < 1
