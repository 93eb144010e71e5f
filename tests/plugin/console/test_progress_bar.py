from itertools import pairwise

import pytest

from specklenn.plugin.console.progress_bar import WorkProgress


@pytest.fixture
def work(capsys):
    """Returns the lines of work of so many seconds, a step and a remark each."""

    def lines(seconds, total=1000):
        now = 0.0
        with WorkProgress("training", total, unit="steps", clock=lambda: now) as shown:
            for step in range(1, seconds + 1):
                now = float(step)
                shown.advance(1, f"loss {1 / step:.3f}")
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_log_says_how_much_is_done_at_which_rate_what_is_left_and_how_it_goes(work):
    assert work(7, total=3607) == [
        "training: 5/3607, 1.0 steps/s, 1:00:02 left, loss 0.200"
    ]


def test_lines_of_long_work_come_ever_more_rarely(work):
    lines = work(3600, total=3600)

    steps = [int(line.split()[1].split("/")[0]) for line in lines]
    apart = [after - before for before, after in pairwise(steps)]
    assert apart[0] == 5
    assert apart == sorted(apart)
    assert 60 < len(lines) < 120


def test_work_that_stands_still_has_no_time_left_to_tell(capsys):
    now = 0.0
    with WorkProgress("run.h5", 10, clock=lambda: now) as shown:
        now = 20.0
        shown.advance(0)

    assert capsys.readouterr().out == "run.h5: 0/10, 0.00 shots/s\n"


def test_what_is_said_is_a_line_of_its_own(capsys):
    with WorkProgress("training", 10, unit="steps") as shown:
        shown.say("step 5: [best]")

    assert capsys.readouterr().out == "step 5: [best]\n"
