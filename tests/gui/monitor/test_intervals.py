import numpy as np
import pytest
from scipy import stats

from specklenn.gui.monitor.intervals import histogram_quantiles, wilson


@pytest.mark.parametrize(
    ("hits", "shots"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 17), (11, 41_233)]
)
def test_interval_equals_that_of_scipy(hits, shots):
    low, high = wilson(hits, shots)

    expected = stats.binomtest(hits, shots).proportion_ci(0.95, method="wilson")
    assert (float(low), float(high)) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_interval_of_nothing_is_nan():
    low, high = wilson(0, 0)

    assert np.isnan([low, high]).all()


def test_interval_keeps_the_shape_of_its_counts():
    low, high = wilson(np.zeros((3, 4)), np.ones((3, 1)))

    assert low.shape == high.shape == (3, 4)


def test_quantiles_equal_those_of_the_values_to_within_a_bin():
    values = np.random.default_rng(0).lognormal(3.0, 0.4, 20_000)
    edges = np.linspace(0, 200, 401)
    counts = np.histogram(values, edges)[0]

    found = histogram_quantiles(edges, counts, (0.5, 0.95, 0.99))

    assert found == pytest.approx(np.quantile(values, [0.5, 0.95, 0.99]), abs=0.5)


def test_quantile_of_an_empty_histogram_is_nan():
    assert np.isnan(histogram_quantiles(np.arange(3.0), np.zeros(2, int), (0.5,))[0])


def test_quantile_in_an_open_bin_is_its_lower_edge():
    edges = np.array([0.0, 10.0, np.inf])

    assert histogram_quantiles(edges, np.array([0, 5]), (0.99,)) == (10.0,)
