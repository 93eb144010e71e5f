import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.evaluation.draws import draw_samples

GROUPS = {
    "few": [np.arange(0, 3), np.arange(3, 6)],
    "uneven": [np.arange(10, 20), np.arange(20, 37)],
}


def test_supports_are_never_queried_and_queries_are_as_many_of_each_class():
    draw = draw_samples(GROUPS, shots=4, draws=1, seed=0)["uneven"][0]

    assert set(draw.supports) & set(draw.queries) == set()
    assert sorted(draw.supports // 20) == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(draw.support_classes, draw.supports // 20)
    np.testing.assert_array_equal(draw.query_classes, draw.queries // 20)
    assert np.bincount(draw.query_classes).tolist() == [6, 6]


def test_every_draw_has_supports_and_a_seed_of_its_own():
    draws = draw_samples(GROUPS, shots=4, draws=5, seed=0)["uneven"]

    assert len({tuple(draw.supports) for draw in draws}) == 5
    assert len({draw.seed for draw in draws}) == 5


def test_the_same_seed_draws_the_same():
    first, again, other = (
        draw_samples(GROUPS, shots=4, draws=1, seed=seed)["uneven"][0]
        for seed in (7, 7, 8)
    )

    np.testing.assert_array_equal(first.supports, again.supports)
    assert first.seed == again.seed
    assert not np.array_equal(first.supports, other.supports)


def test_samples_without_a_query_are_left_out():
    assert set(draw_samples(GROUPS, shots=2, draws=1, seed=0)) == {"few", "uneven"}
    assert set(draw_samples(GROUPS, shots=3, draws=1, seed=0)) == {"uneven"}


def test_too_few_patterns_are_refused():
    with pytest.raises(DataError, match="10 supports: no sample has 11 patterns"):
        draw_samples(GROUPS, shots=10, draws=1, seed=0)
