"""A job is told to end: at the next safe point, or at once if told twice."""

import os
import signal

import pytest

from specklenn.plugin.signals import Stop, on_signals


def test_a_stop_that_nobody_asked_for_does_nothing():
    Stop().obey()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_changes_nothing_before_the_next_safe_point(number):
    stop = Stop()
    with on_signals(stop.ask):
        os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        stop.obey()


def test_a_second_signal_interrupts_at_once():
    stop = Stop()
    with on_signals(stop.ask):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_signals_are_handled_as_before_when_the_work_is_over():
    before = signal.getsignal(signal.SIGTERM)
    with on_signals(Stop().ask):
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.mpi
def test_tasks_that_do_not_find_each_other_are_refused(run_folder, command, tmp_path):
    environment = {**os.environ, "PMI_RANK": "0", "PMI_SIZE": "3"}

    done = command(
        "run", run_folder.config, "--set", f"output.folder={tmp_path}", env=environment
    )

    assert done.returncode == 2
    assert "3 tasks were started and each is an MPI job of one" in done.stderr
    assert list(tmp_path.iterdir()) == []
