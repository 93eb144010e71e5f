import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import (
    EvaluationSettings,
    draw_few_shot,
    draw_samples,
    group_rows,
)
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT

GROUPS = {
    "few": [np.arange(0, 3), np.arange(3, 6)],
    "uneven": [np.arange(10, 20), np.arange(20, 37)],
}


def test_supports_are_never_queried_and_queries_are_as_many_of_each_class():
    draw = draw_samples(GROUPS, n_shot=4, draws=1, seed=0)["uneven"][0]

    assert set(draw.supports) & set(draw.queries) == set()
    assert sorted(draw.supports // 20) == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(draw.support_classes, draw.supports // 20)
    np.testing.assert_array_equal(draw.query_classes, draw.queries // 20)
    assert np.bincount(draw.query_classes).tolist() == [6, 6]


def test_every_draw_has_supports_and_a_seed_of_its_own():
    draws = draw_samples(GROUPS, n_shot=4, draws=5, seed=0)["uneven"]

    assert len({tuple(draw.supports) for draw in draws}) == 5
    assert len({draw.seed for draw in draws}) == 5


def test_the_same_seed_draws_the_same():
    first, again, other = (
        draw_samples(GROUPS, n_shot=4, draws=1, seed=seed)["uneven"][0]
        for seed in (7, 7, 8)
    )

    np.testing.assert_array_equal(first.supports, again.supports)
    assert first.seed == again.seed
    assert not np.array_equal(first.supports, other.supports)


def test_samples_without_a_query_are_left_out():
    assert set(draw_samples(GROUPS, n_shot=2, draws=1, seed=0)) == {"few", "uneven"}
    assert set(draw_samples(GROUPS, n_shot=3, draws=1, seed=0)) == {"uneven"}


def test_too_few_patterns_are_refused():
    with pytest.raises(DataError, match="10 supports: no sample has 11 patterns"):
        draw_samples(GROUPS, n_shot=10, draws=1, seed=0)


def test_supports_queries_and_the_rest_are_all_patterns_of_the_sample():
    draw = draw_samples(GROUPS, n_shot=4, draws=1, seed=0)["uneven"][0]

    parts = (draw.supports_by_class, draw.queries_by_class, draw.unused_by_class)
    for number, rows in enumerate(GROUPS["uneven"]):
        found = np.concatenate([part[number] for part in parts])
        np.testing.assert_array_equal(np.sort(found), rows)


def test_more_draws_begin_with_the_same_ones():
    few, many = (
        draw_samples(GROUPS, n_shot=4, draws=draws, seed=0)["uneven"]
        for draws in (1, 3)
    )

    np.testing.assert_array_equal(few[0].supports, many[0].supports)
    np.testing.assert_array_equal(few[0].queries, many[0].queries)


def test_joined_classes_have_as_many_patterns_of_each_part():
    labels = np.repeat([SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT], [5, 4, 2])
    rest = f"{MULTI_HIT}+{NON_SAMPLE_HIT}"

    (members,) = group_rows(labels, np.full(11, "a"), (SINGLE_HIT, rest)).values()

    assert [rows.tolist() for rows in members] == [[0, 1, 2, 3, 4], [5, 6, 9, 10]]


@pytest.fixture
def labelled():
    """12 singles and 9 multis of one sample, 4 of each of another, 2 of no class."""
    labels = np.repeat([SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT], [16, 13, 2])
    names = np.repeat(["b", "a", "b", "a", "a"], [12, 4, 9, 4, 2])
    return labels, names


def test_what_the_data_allow_is_drawn_and_the_rest_named(labelled):
    found = draw_few_shot(*labelled, EvaluationSettings(n_shot=(1, 5, 20)))

    assert {n_shot: set(found.by_n_shot[n_shot]) for n_shot in found.by_n_shot} == {
        1: {"a", "b"},
        5: {"b"},
    }
    assert found.left_out == (
        "20 supports: no sample has 21 patterns of every class, the most is 9",
    )


def test_patterns_are_counted_by_sample_and_class(labelled):
    found = draw_few_shot(*labelled, EvaluationSettings(n_shot=(1,)))

    assert found.patterns == {
        "a": {SINGLE_HIT: 4, MULTI_HIT: 4},
        "b": {SINGLE_HIT: 12, MULTI_HIT: 9},
    }
    assert found.total == 31


def test_patterns_of_no_class_are_out_of_distribution(labelled):
    found = draw_few_shot(*labelled, EvaluationSettings(n_shot=(1,)))

    assert found.ood_rows["a"][NON_SAMPLE_HIT].tolist() == [29, 30]
    assert found.ood_rows["b"][NON_SAMPLE_HIT].tolist() == []


@pytest.mark.parametrize(
    ("n_shot", "main"), [((1, 3, 5), 3), ((5, 1), 5), ((2,), 2), ((1, 3, 20), 3)]
)
def test_the_middle_number_of_supports_is_shown_where_one_is(labelled, n_shot, main):
    found = draw_few_shot(*labelled, EvaluationSettings(n_shot=n_shot))

    assert found.main_n_shot == main


def test_nothing_to_draw_from_is_refused(labelled):
    with pytest.raises(DataError, match=r"10 supports: .*; 20 supports: "):
        draw_few_shot(*labelled, EvaluationSettings(n_shot=(10, 20)))
