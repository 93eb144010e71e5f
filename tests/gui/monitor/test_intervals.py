import numpy as np
import pytest

from specklenn.gui.monitor.intervals import histogram_quantiles


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
