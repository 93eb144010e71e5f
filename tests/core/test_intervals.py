import numpy as np
import pytest
from scipy import stats

from specklenn.core.intervals import (
    mean_interval,
    shots_interval,
    t_quantile,
    variance_of_mean,
    wilson_interval,
)

COUNTS = [(0, 1), (1, 1), (0, 40), (40, 40), (3, 17), (1, 2), (11, 41_233)]

REPEATS = 600
HELD = 0.92
"""Of as many simulated measurements, three standard errors below 0.95."""


def wilson_of_scipy(hits, shots):
    found = stats.binomtest(hits, shots).proportion_ci(0.95, method="wilson")
    return pytest.approx((found.low, found.high), abs=1e-12)


def covers(interval, true):
    low, high = interval
    return low <= true <= high


@pytest.mark.parametrize(("hits", "shots"), COUNTS)
def test_interval_equals_that_of_scipy(hits, shots):
    low, high = wilson_interval(hits, shots)

    assert (float(low), float(high)) == wilson_of_scipy(hits, shots)


def test_interval_of_nothing_is_nan():
    low, high = wilson_interval(0, 0)

    assert np.isnan([low, high]).all()


def test_interval_keeps_the_shape_of_its_counts():
    low, high = wilson_interval(np.zeros((3, 4)), np.ones((3, 1)))

    assert low.shape == high.shape == (3, 4)


@pytest.mark.parametrize("freedom", [*range(1, 12), 33, 200])
def test_quantiles_of_student_are_those_of_scipy(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


@pytest.mark.parametrize(("hits", "shots"), COUNTS)
def test_the_interval_of_one_draw_is_that_of_its_shots(hits, shots):
    assert shots_interval([hits / shots], shots) == wilson_of_scipy(hits, shots)


def test_the_interval_over_samples_is_that_of_student_where_it_is_narrow():
    shares = np.random.default_rng(0).normal(0.6, 0.02, 400)

    low, high = mean_interval(shares, 1e9)

    half = stats.t.ppf(0.975, 399) * shares.std(ddof=1) / 20
    assert (low, high) == pytest.approx(
        (shares.mean() - half, shares.mean() + half), abs=1e-4
    )


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("samples", [2, 5, 30])
def test_samples_that_agree_are_no_more_than_their_shots(share, samples):
    low, high = mean_interval([share] * samples, 40 * samples)

    pooled = wilson_interval(share * 40 * samples, 40 * samples)
    assert 0 <= low <= pooled[0] <= share <= pooled[1] <= high <= 1
    assert high - low > pooled[1] - pooled[0]


@pytest.mark.parametrize(
    ("shares", "shots"),
    [([0.99, 1.0], 40), ([1.0, 1.0, 0.7], 30), ([0.0, 0.4], 10), ([0.0, 1.0], 100)],
)
def test_no_interval_leaves_zero_to_one_or_loses_its_mean(shares, shots):
    for interval in (mean_interval(shares, shots), shots_interval(shares, shots)):
        low, high = interval
        assert 0 <= low < high <= 1
        assert covers(interval, np.mean(shares))


@pytest.mark.parametrize("true", [0.8, 0.97, 0.99])
@pytest.mark.parametrize("samples", [2, 5, 30])
def test_intervals_over_samples_hold_the_truth_nineteen_times_in_twenty(true, samples):
    """Samples differ by a beta distribution, and have 40 shots each."""
    random = np.random.default_rng(3)
    rates = random.beta(60 * true, 60 * (1 - true), (REPEATS, samples))
    shares = random.binomial(40, rates) / 40

    held = [covers(mean_interval(row, 40 * samples), true) for row in shares]

    assert np.mean(held) > HELD


def test_the_usual_interval_would_not_hold():
    """Two standard errors about the mean of a few good samples."""
    random = np.random.default_rng(3)
    rates = random.beta(60 * 0.99, 60 * 0.01, (REPEATS, 5))
    shares = random.binomial(40, rates) / 40
    halves = 1.96 * shares.std(axis=1, ddof=1) / 5**0.5

    assert np.mean(np.abs(shares.mean(axis=1) - 0.99) <= halves) < 0.85


@pytest.mark.parametrize("true", [0.8, 0.97, 0.99])
@pytest.mark.parametrize("scatter", [0.0, 0.04])
def test_intervals_of_one_sample_hold_the_truth_nineteen_times_in_twenty(true, scatter):
    """Five draws of supports classify the same 100 shots, each a little differently."""
    random = np.random.default_rng(4)
    hard = random.random((REPEATS, 1, 100))
    rates = np.clip(true + scatter * random.normal(size=(REPEATS, 5, 1)), 0, 1)
    shares = (hard < rates).mean(axis=2)
    expected = rates.mean()

    held = [covers(shots_interval(row, 100), expected) for row in shares]

    assert np.mean(held) > HELD


def test_the_variance_of_a_mean_is_not_known_of_one_value():
    assert variance_of_mean([0.7]) == 0
