import numpy as np
import pytest

from specklenn.core.class_counts import ClassCounts
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


def test_counts_equal_a_count_row_by_row():
    rows, counted = some_rows(), ClassCounts(NAMES)

    counted.add(rows)

    for code in range(3):
        assert counted.counts[code] == sum(1 for r in rows if r["label"] == code)
        for truth in range(3):
            assert counted.confusion[truth, code] == sum(
                1 for r in rows if r["label"] == code and r["truth"] == truth
            )
    assert counted.shots == len(rows)


@pytest.mark.parametrize("cut", [0, 1, 250, 500])
def test_counts_of_parts_add_up_to_the_whole_in_any_order(cut):
    rows = some_rows()
    whole, first, second = ClassCounts(NAMES), ClassCounts(NAMES), ClassCounts(NAMES)
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
