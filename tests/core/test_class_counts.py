import numpy as np
import pytest
from scipy.stats import binomtest

from specklenn.core.class_counts import Tally, wilson_interval
from specklenn.core.flags import Flag, count_reasons
from specklenn.core.rows import empty_rows

NAMES = ("single-hit", "multi-hit", "no-hit")


def some_rows(number=500, seed=0):
    random = np.random.default_rng(seed)
    rows = empty_rows(number, 2)
    rows["label"] = random.integers(0, 3, number)
    rows["truth"] = random.integers(-1, 3, number)
    skipped = random.random(number) < 0.1
    rows["label"][skipped] = -1
    rows["flags"][skipped] = random.choice([2, 4, 20], int(skipped.sum()))
    return rows


@pytest.mark.parametrize(
    ("count", "total"), [(0, 10), (10, 10), (3, 10), (1, 1000), (1, 2)]
)
def test_wilson_intervals_equal_scipys(count, total):
    expected = binomtest(count, total).proportion_ci(0.95, method="wilson")

    low, high = wilson_interval(count, total)

    assert low == pytest.approx(expected.low, abs=1e-9)
    assert high == pytest.approx(expected.high, abs=1e-9)


def test_without_shots_the_rate_may_be_anything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_counts_equal_a_count_row_by_row():
    rows, tally = some_rows(), Tally(NAMES)

    tally.add(rows)

    for code in range(3):
        assert tally.counts[code] == sum(1 for r in rows if r["label"] == code)
        for truth in range(3):
            assert tally.confusion[truth, code] == sum(
                1 for r in rows if r["label"] == code and r["truth"] == truth
            )
    assert tally.shots == len(rows)


@pytest.mark.parametrize("cut", [0, 1, 250, 500])
def test_tallies_of_parts_add_up_to_the_whole_in_any_order(cut):
    rows = some_rows()
    whole, first, second = Tally(NAMES), Tally(NAMES), Tally(NAMES)
    whole.add(rows)
    first.add(rows[:cut])
    second.add(rows[cut:])

    second.merge(first)

    np.testing.assert_array_equal(second.counts, whole.counts)
    np.testing.assert_array_equal(second.confusion, whole.confusion)
    assert second.skipped == whole.skipped


def test_a_skipped_shot_counts_under_its_first_reason_only():
    flags = np.array(
        [0, Flag.NO_HIT, Flag.WRONG_SHAPE, Flag.NOT_FINITE | Flag.EMPTY], np.uint16
    )

    assert count_reasons(flags) == {"wrong shape": 1, "NaN or absurd pixels": 1}
