import numpy as np

from specklenn.core.class_counts import ClassCounts
from specklenn.core.rows import empty_rows
from specklenn.plugin.live.version_counts import VersionCounts

CLASSES = ("single-hit", "no-hit")


def random_rows(number=300):
    random = np.random.default_rng(3)
    rows = empty_rows(number, 1)
    rows["label"] = random.integers(0, 2, number)
    rows["truth"] = random.integers(-1, 2, number)
    rows["flags"] = np.where(random.random(number) < 0.1, 4, 0)
    rows["label"][rows["flags"] > 0] = -1
    rows["model_version"] = random.integers(1, 3, number)
    rows["support_version"] = random.integers(7, 9, number)
    return rows


def test_the_counts_of_all_versions_are_those_of_the_run():
    rows = random_rows()
    counts, whole, sums = VersionCounts(CLASSES), ClassCounts(CLASSES), []
    for part in np.array_split(rows, 7):
        counts.add(part)
    whole.add(rows)
    merged = ClassCounts(CLASSES)
    for _, each in counts:
        merged.merge(each)
        sums.append(each.shots)

    assert len(counts) == 4
    assert sum(sums) == len(rows)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_array_equal(merged.confusion, whole.confusion)
    assert merged.skipped == whole.skipped


def test_a_version_has_the_shots_whose_rows_name_it():
    rows = random_rows()
    counts = VersionCounts(CLASSES)
    counts.add(rows)

    mine = rows[(rows["model_version"] == 2) & (rows["support_version"] == 8)]
    assert counts[2, 8, 0].shots == len(mine)
    assert counts[2, 8, 0].counts[1] == (mine["label"] == 1).sum()
    assert counts[5, 5, 0].shots == 0
