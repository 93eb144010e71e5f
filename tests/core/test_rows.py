import numpy as np

from specklenn.core.rows import empty_rows, known_times, row_times

TIME_NS = 1_700_000_000_123_456_789


def test_a_shot_without_a_time_has_none_instead_of_1970():
    rows = empty_rows(4, 1)
    rows["timestamp_ns"][:3] = row_times(np.array([TIME_NS, 0, 2**63], np.uint64))

    times = rows["timestamp_ns"].view("datetime64[ns]")

    assert times[0] == np.datetime64("2023-11-14T22:13:20.123456789")
    assert np.isnat(times).tolist() == [False, True, True, True]


def test_times_that_are_known_come_back_from_rows():
    rows = empty_rows(2, 1)
    rows["timestamp_ns"][:1] = row_times(np.array([TIME_NS], np.uint64))

    assert known_times(rows).tolist() == [TIME_NS, 0]
    assert known_times(rows).dtype == np.uint64
