"""Worker processes as they are: spawned, told what to do, killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from specklenn.core.errors import DataError
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.simulation_job import BlockMaker, SimulationJob
from specklenn.plugin.commands.simulation_writer import MAKE_WORK
from specklenn.plugin.parallel.block_pool import BlockPool
from specklenn.plugin.parallel.clock import SystemClock
from specklenn.plugin.parallel.processes import cores, worker_processes

MAKERS = """
import os, signal, time


def large(text):
    return lambda block: bytes([block]) * int(text)


def raising(text):
    def work(block):
        if block == int(text):
            raise ValueError(f"block {block} is bad")
        return b""
    return work


def unable(text):
    raise ValueError(f"{text} cannot be made")


def dying(text):
    def work(block):
        if block == int(text):
            os.kill(os.getpid(), signal.SIGKILL)
        return b""
    return work


def telling(folder):
    \"\"\"Leaves a file named after its process.\"\"\"
    open(os.path.join(folder, str(os.getpid())), "w").close()
    return lambda block: time.sleep(0.01) or b""
"""

LEADER = """
import sys
from specklenn.plugin.parallel.clock import SystemClock
from specklenn.plugin.parallel.processes import worker_processes
from specklenn.plugin.parallel.block_pool import BlockPool

if __name__ == "__main__":
    with worker_processes(2, "makers_of_tests:telling", sys.argv[1]) as channel:
        pool = BlockPool(channel, [1, 2], None, SystemClock())
        for _ in pool.results(0, 10**6):
            print("one", flush=True)
"""


@pytest.fixture
def makers(tmp_path, monkeypatch):
    """A module that spawned processes can import; its name."""
    (tmp_path / "makers_of_tests.py").write_text(textwrap.dedent(MAKERS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return "makers_of_tests"


def results(number, maker, text, blocks):
    with worker_processes(number, maker, text) as channel:
        pool = BlockPool(channel, range(1, number + 1), None, SystemClock())
        found = list(pool.results(0, blocks))
        pool.stop()
    assert multiprocessing.active_children() == []
    return found


def lives(pid):
    """Return whether a process runs; one that nobody has buried does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(true, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_make_what_one_alone_makes():
    experiment = Experiment(
        detector={"rows": 32, "columns": 32, "pixel_size_m": 2.4e-3},
        procedural={"count": 2, "atoms": (200, 400)},
    )
    job = SimulationJob(experiment=experiment, shots=150)

    found = results(2, MAKE_WORK, job.model_dump_json(), job.blocks)

    maker = BlockMaker(job)
    assert found == [maker.make(block) for block in range(job.blocks)]


def test_results_larger_than_a_pipe_holds_come_whole(makers):
    found = results(2, f"{makers}:large", str(3 << 20), 9)

    assert found == [bytes([block]) * (3 << 20) for block in range(9)]


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        ("raising", "(?s)worker 1: Traceback.*ValueError: block 4 is bad"),
        ("dying", "worker 1: the process died"),
        ("unable", "(?s)worker 1: .*4 cannot be made"),
        ("missing", "(?s)worker 1: .*has no attribute 'missing'"),
    ],
)
def test_a_process_that_fails_is_named_with_the_reason(makers, maker, words):
    with pytest.raises(DataError, match=words):
        results(1, f"{makers}:{maker}", "4", 9)

    assert multiprocessing.active_children() == []


def test_of_several_processes_the_one_that_was_killed_is_named(makers, tmp_path):
    with worker_processes(2, f"{makers}:telling", str(tmp_path)) as channel:
        pool = BlockPool(channel, [1, 2], None, SystemClock())
        found = pool.results(0, 10**6)
        next(found)
        wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2)
        second = max(multiprocessing.active_children(), key=lambda p: p.pid)

        os.kill(second.pid, signal.SIGKILL)

        with pytest.raises(DataError, match="worker 2: the process died"):
            list(found)
        pool.stop()
    assert multiprocessing.active_children() == []


def test_an_error_of_the_leader_ends_processes_that_are_at_work(makers, tmp_path):
    workers = worker_processes(2, f"{makers}:telling", str(tmp_path))

    def fail_at_the_third(channel):
        pool = BlockPool(channel, [1, 2], None, SystemClock())
        for number, _ in enumerate(pool.results(0, 10**6)):
            if number == 2:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), workers as channel:
        fail_at_the_third(channel)

    assert multiprocessing.active_children() == []


@pytest.fixture
def leader(makers, tmp_path):
    """A process of its own that leads two, and theirs; all at work."""
    (tmp_path / "pids").mkdir()
    (tmp_path / "leader.py").write_text(LEADER)
    words = [sys.executable, str(tmp_path / "leader.py"), str(tmp_path / "pids")]
    with subprocess.Popen(words, stdout=-1, stderr=-1, start_new_session=True) as job:
        job.stdout.readline()
        wait_until(lambda: len(os.listdir(tmp_path / "pids")) == 2)
        yield job, [int(name) for name in os.listdir(tmp_path / "pids")]
        job.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_when_their_leader_is_killed(leader, number):
    job, workers = leader
    assert all(map(lives, workers))

    job.send_signal(number)

    wait_until(lambda: not any(map(lives, workers)))


def test_an_interrupt_from_the_terminal_is_left_to_the_leader(leader):
    job, workers = leader

    os.killpg(job.pid, signal.SIGINT)

    _, said = job.communicate(timeout=30)
    assert said.count(b"Traceback") == 1
    assert said.count(b"KeyboardInterrupt") == 1
    assert not any(map(lives, workers))


class Interrupting:
    """A text during whose way to a process somebody presses Ctrl-C."""

    def __reduce__(self):
        signal.raise_signal(signal.SIGINT)
        return str, ("1",)


def test_an_interrupt_during_the_start_waits_until_all_have_started(makers):
    workers = worker_processes(2, f"{makers}:large", Interrupting())

    with pytest.raises(KeyboardInterrupt):
        workers.__enter__()

    started = multiprocessing.active_children()
    assert len(started) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for process in started:
        process.terminate()
        process.join()


def test_there_is_at_least_one_core():
    assert 1 <= cores() <= os.cpu_count()
