"""A stream as lclstreamer sends it, classified by two workers under mpirun."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import zmq

from specklenn.core.data.dataset_writer import write_dataset

pytestmark = [pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(900)]

SHOTS = 1000
SENDER = Path(__file__).with_name("lclstreamer_sender.py")
PATIENCE_S = 200
START_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def run_file(tmp_path_factory, draw_shots):
    """A run of 1000 shots, 120 a second."""
    path = tmp_path_factory.mktemp("stream") / "thousand.cxi"
    frames, names = draw_shots(SHOTS, seed=3)
    times = START_NS + np.arange(SHOTS, dtype=np.uint64) * 8_333_333
    write_dataset(path, frames, names, timestamps_ns=times)
    return path


@pytest.fixture(scope="module")
def expected(run_folder, run_file, command, tmp_path_factory):
    """Rows of the same shots, read from the file."""
    folder = tmp_path_factory.mktemp("expected")
    words = [f"source.path={run_file}", f"output.folder={folder}"]
    done = command("run", run_folder.config, *sets(words))
    assert done.returncode == 0, done.stderr
    return rows_by_time(folder)


@pytest.fixture
def ports():
    """Two free ports, one behind the other."""
    with zmq.Context() as context:
        while True:
            first, second = context.socket(zmq.PULL), context.socket(zmq.PULL)
            port = first.bind_to_random_port("tcp://127.0.0.1")
            try:
                second.bind(f"tcp://127.0.0.1:{port + 1}")
            except zmq.ZMQError:
                continue
            else:
                return [port, port + 1]
            finally:
                first.close()
                second.close()


@pytest.fixture
def send(run_file, ports):
    """Return a function that starts a sender process of some of the shots."""
    started = []

    def start(compression="plain", first=0, last=SHOTS, hostile=0):
        urls = [f"tcp://127.0.0.1:{port}" for port in ports]
        words = [run_file, compression, first, last, hostile, *urls]
        process = subprocess.Popen([sys.executable, SENDER, *map(str, words)])
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def receive(run_folder, command, ports, tmp_path):
    """Return a function that starts two workers on the stream; killed at the end."""
    text = run_folder.config.read_text()
    text = text.replace(
        "source: {kind: hdf5, path: run.cxi}",
        f"source: {{kind: lclstreamer, endpoint: 'tcp://127.0.0.1:{ports[0]}'}}",
    )
    config = run_folder.path / f"{tmp_path.name}.yaml"
    config.write_text(text)

    @contextmanager
    def start(*settings):
        process = command(
            "run",
            config,
            *sets([f"output.folder={tmp_path}", *settings]),
            ranks=3,
            start=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    return start


def sets(settings):
    return [word for setting in settings for word in ("--set", setting)]


def rows_by_time(folder):
    with h5py.File(folder / "results.h5", "r", swmr=True) as file:
        return np.sort(file["rows"][()], order="timestamp_ns", kind="stable")


def wait_until(condition, process):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError("\n".join(process.communicate()))
        time.sleep(0.2)


def stop(process):
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE_S)


def check_labels(rows, expected):
    assert len(rows) == SHOTS
    for name in ("timestamp_ns", "label", "lit_pixels", "flags", "support_version"):
        np.testing.assert_array_equal(rows[name], expected[name])
    assert set(rows["rank"]) == {1, 2}


def test_all_shots_of_a_stream_get_the_labels_of_the_same_run_in_a_file(
    expected, send, receive, tmp_path, count_rows
):
    send("bitshuffle")

    with receive() as process:
        wait_until(lambda: count_rows(tmp_path / "results.h5") >= SHOTS, process)
        stop(process)

    rows = rows_by_time(tmp_path)
    check_labels(rows, expected)
    for rank in (1, 2):
        mine = np.sort(rows["index"][rows["rank"] == rank])
        assert mine.tolist() == list(range(rank - 1, 2 * len(mine), 2))


def test_a_run_ends_well_behind_the_silence_that_it_is_told_to_wait_for(
    expected, send, receive, tmp_path
):
    send("gzip")

    with receive("source.idle_end_s=30") as process:
        output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, errors
    assert f"{SHOTS} shots in" in output
    check_labels(rows_by_time(tmp_path), expected)


def test_messages_that_cannot_be_used_are_counted_and_all_others_classified(
    expected, send, receive, tmp_path, count_rows
):
    send("plain", hostile=1)
    skipped = 8 * 10

    with receive() as process:
        wait_until(
            lambda: count_rows(tmp_path / "results.h5") >= SHOTS + skipped, process
        )
        _, errors = stop(process)

    rows = rows_by_time(tmp_path)
    bad = rows["label"] == -1
    assert bad.sum() == skipped
    assert np.unique(rows["flags"][bad], return_counts=True)[1].tolist() == [40, 40]
    check_labels(rows[~bad], expected)
    assert "a message cannot be used, 1 shots skipped: " in errors


def test_a_sender_that_is_gone_is_told_and_the_stream_flows_when_it_is_back(
    expected, send, receive, tmp_path, count_rows
):
    log = tmp_path / "run.log"
    half = SHOTS // 2
    send("plain", last=half)

    with receive("source.trouble_after_s=1") as process:
        wait_until(lambda: count_rows(tmp_path / "results.h5") >= half, process)
        wait_until(lambda: log.read_text().count(": no message since ") >= 2, process)
        again = log.read_text().count("shots come again")
        send("plain", first=half)
        wait_until(lambda: count_rows(tmp_path / "results.h5") >= SHOTS, process)
        wait_until(
            lambda: log.read_text().count("shots come again") >= again + 2, process
        )
        stop(process)

    check_labels(rows_by_time(tmp_path), expected)
