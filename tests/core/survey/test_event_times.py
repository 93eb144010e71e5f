import numpy as np
import pytest

from specklenn.core.survey.event_times import event_times

START = 1_600_000_000 * 10**9
INDEX = np.array([0, 1, 2, 3, 100, 101, 102, 103])


def times(step_ns, index=INDEX, start=START):
    return (start + index * step_ns).astype(np.uint64)


def test_rate_beginning_and_end_are_told():
    found = event_times(INDEX, times(8_333_333))

    assert found.rate_Hz == pytest.approx(120, rel=1e-6)
    assert found.words == "2020-09-13 12:26:40 to 2020-09-13 12:26:40 UTC, 120 Hz"
    assert found.problem == ""


def test_pauses_do_not_change_the_rate():
    late = times(8_333_333)
    late[4:] += np.uint64(3600 * 10**9)

    found = event_times(INDEX, late)

    assert found.rate_Hz == pytest.approx(120, rel=1e-6)
    assert "13:26:4" in found.words


def test_runs_without_times_have_none():
    found = event_times(INDEX, np.zeros(8, np.uint64))

    assert (found.words, found.rate_Hz, found.problem) == ("unknown", None, "")


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (times(1, start=1_600_000_000), "1970-01-01 00:00:01 to 1970-01-01 00:00:01"),
        (np.full(8, 2**63, np.uint64), "are they nanoseconds of the Unix epoch?"),
        (times(8_333_333)[::-1], "7 of 7 times are earlier than the one before"),
        (np.full(8, START, np.uint64), "all shots have the same time"),
        (times(8_333_333) * (INDEX != 2).astype(np.uint64), "1 shots have no time"),
    ],
)
def test_times_that_cannot_be_right_are_told(stamps, words):
    assert words in event_times(INDEX, stamps).problem
