import numpy as np
import pytest
from scipy import stats

from specklenn.core.intervals import wilson_interval


@pytest.mark.parametrize(
    ("hits", "shots"),
    [(0, 1), (1, 1), (0, 40), (40, 40), (3, 17), (1, 2), (11, 41_233)],
)
def test_interval_equals_that_of_scipy(hits, shots):
    low, high = wilson_interval(hits, shots)

    expected = stats.binomtest(hits, shots).proportion_ci(0.95, method="wilson")
    assert (float(low), float(high)) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_interval_of_nothing_is_nan():
    low, high = wilson_interval(0, 0)

    assert np.isnan([low, high]).all()


def test_interval_keeps_the_shape_of_its_counts():
    low, high = wilson_interval(np.zeros((3, 4)), np.ones((3, 1)))

    assert low.shape == high.shape == (3, 4)
