import numpy as np

from specklenn.core.flags import Flag
from specklenn.core.rows import empty_rows
from specklenn.plugin.live.far_shots import REMEMBERED_HITS, FarShots


def hits(number, far, support_version=1):
    """Rows of hits, the first of them far from every class."""
    rows = empty_rows(number, 2)
    rows["score"] = 0.9
    rows["support_version"] = support_version
    rows["flags"][:far] = Flag.FAR.bits | Flag.REJECTED.bits
    return rows


def warnings(*batches):
    found = FarShots()
    for rows in batches:
        found.add(rows)
    return found.warnings()


def test_a_run_of_other_shots_than_the_supports_is_a_sentence_with_their_share():
    (sentence,) = warnings(hits(100, 15), hits(100, 45))

    assert sentence.startswith("30 % of the hits are far from every support")


def test_nothing_is_said_of_few_hits_nor_of_few_that_are_far():
    assert warnings() == []
    assert warnings(hits(90, 90)) == []
    assert warnings(hits(1000, 20)) == []


def test_shots_without_a_hit_do_not_count():
    no_hits = empty_rows(5000, 2)
    no_hits["flags"] = Flag.NO_HIT.bits

    assert warnings(hits(100, 40), no_hits)[0].startswith("40 %")


def test_the_sentence_goes_when_the_shots_are_like_the_supports_again():
    begun, again = hits(200, 100), hits(100, 2)

    assert warnings(begun) != []
    assert warnings(begun, *[again] * (4 * REMEMBERED_HITS // 100)) == []


def test_new_supports_begin_anew_and_rows_of_the_old_ones_do_not_count():
    old, new = hits(500, 400), hits(150, 0, support_version=2)

    assert warnings(old, new) == []
    mixed = np.concatenate([hits(80, 80), hits(150, 30, support_version=2)])
    assert warnings(old, mixed)[0].startswith("20 %")
