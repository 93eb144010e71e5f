"""The command as people start it: other processes, real sockets, real files."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zmq

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtGui

from specklenn.core.messages import encode
from specklenn.gui.monitor.app import main

pytestmark = pytest.mark.gui

COMMAND = [sys.executable, "-W", "error", "-m", "specklenn.gui.monitor.app"]
PATIENCE_S = 120
"""After which a process that never ends fails its test."""


@pytest.fixture
def publish():
    """Publish what a function makes of 1, 2, 3, ... ten times a second."""
    context = zmq.Context()
    stop = threading.Event()
    threads = []

    def begin(make_message) -> str:
        socket = context.socket(zmq.PUB)
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def work() -> None:
            number = 0
            while not stop.wait(0.1):
                number += 1
                socket.send(make_message(number))
            socket.close(linger=0)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return f"tcp://127.0.0.1:{port}"

    yield begin
    stop.set()
    for thread in threads:
        thread.join()
    context.term()


@pytest.fixture
def running(make_snapshot, make_example):
    """Messages of a run that goes on for ever, or ends after some of them."""

    def make_message(number: int, last: int = 10**6) -> bytes:
        now_s = time.time()
        return encode(
            make_snapshot(
                sequence=number,
                now_s=now_s,
                state="finished" if number >= last else "running",
                counts=np.array([6, 2, 1, 90, 1]) * number,
                examples=(make_example(timestamp_ns=int(now_s * 1e9)),),
            )
        )

    return make_message


def _run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        **options,
    )


def _colours(path) -> tuple[tuple[int, int], int]:
    """Size of a picture and the number of colours in it."""
    picture = QtGui.QImage(str(path)).convertToFormat(QtGui.QImage.Format.Format_RGB888)
    data = np.frombuffer(picture.constBits(), np.uint8)
    rows = data.reshape(picture.height(), -1)[:, : 3 * picture.width()]
    colours = np.unique(rows.reshape(-1, 3), axis=0)
    return (picture.width(), picture.height()), len(colours)


def test_snapshot_of_a_real_stream_is_a_picture_of_the_window(
    publish, running, tmp_path
):
    target = tmp_path / "window.png"
    environment = {**os.environ}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        environment.pop(name, None)

    done = _run(
        publish(running),
        *("--snapshot", target, "--size", "1366x768"),
        env=environment,
    )

    assert (done.returncode, done.stdout) == (0, f"wrote {target}\n")
    assert done.stderr == ""
    size, colours = _colours(target)
    assert size == (1366, 768)
    assert colours > 300


def test_snapshot_without_data_is_still_a_picture_and_a_failure(tmp_path):
    target = tmp_path / "window.png"

    done = _run("tcp://127.0.0.1:9", "--snapshot", target, "--after", 0.3)

    assert done.returncode == 1
    assert done.stderr == ("specklenn monitor: no data came from tcp://127.0.0.1:9\n")
    assert _colours(target)[1] > 20


def test_snapshot_tells_what_was_wrong_with_the_messages(publish, tmp_path):
    endpoint = publish(lambda _number: b"\x81\xa6schema\x63")

    done = _run(endpoint, "--snapshot", tmp_path / "x.png")

    assert done.returncode == 1
    assert "schema 99" in done.stderr


def test_until_finished_renews_the_picture_and_leaves_at_the_end(
    publish, running, tmp_path
):
    target = tmp_path / "window.png"
    written = set()

    def until_renewed(number: int) -> bytes:
        if target.exists() and len(written) < 2:
            written.add(target.stat().st_mtime_ns)
        return running(number, last=number if len(written) >= 2 else 10**6)

    done = _run(
        publish(until_renewed),
        *("--snapshot", target, "--after", 0, "--until-finished"),
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert target.stat().st_mtime_ns > max(written)
    assert [path.name for path in tmp_path.glob("*.png*")] == ["window.png"]


def test_a_picture_that_cannot_be_written_is_a_failure(tmp_path):
    target = tmp_path / "missing" / "x.png"

    done = _run("--simulate", "--snapshot", target, "--after", 0)

    assert done.returncode == 1
    assert "no picture written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_window_silently(number, tmp_path):
    shown = tmp_path / "window.png"
    process = subprocess.Popen(
        [*COMMAND, "--simulate", "--snapshot", shown, "--until-finished"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    # The picture is written by the window's own loop, which takes the signals.
    while not shown.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)

    process.send_signal(number)

    assert process.communicate(timeout=PATIENCE_S) == (f"wrote {shown}\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_the_window_loads_end_it_silently(number):
    code = (
        "import os, sys; from specklenn.gui.monitor import app, event_loop\n"
        f"event_loop.run = lambda *_, **__: os.kill(os.getpid(), {int(number)})\n"
        "sys.exit(app.main(['--simulate']) or 3)"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_names_all_options_without_qt():
    code = (
        "import sys; from specklenn.gui.monitor.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if 'Qt' in m or 'PySide' in m "
        "or m in ('pyqtgraph', 'torch')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("[]\n")
    for option in ("--snapshot", "--after", "--until-finished", "--refresh", "--size"):
        assert option in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--until-finished"],
        ["localhost:5556"],
        ["--refresh", "50"],
        ["--refresh", "nan"],
        ["--size", "12"],
        ["--size", "10x10"],
        ["--after", "-1", "--snapshot", "x.png"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_a_sentence(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as left:
        code = left.code

    assert code == 2
    assert "specklenn monitor" in capsys.readouterr().err


def test_a_display_that_is_gone_is_exit_code_2_and_a_sentence():
    gone = {**os.environ, "DISPLAY": "localhost:10.0", "QT_QPA_PLATFORM": "xcb"}

    done = _run("--simulate", env=gone)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "DISPLAY=localhost:10.0) cannot be used" in done.stderr
    assert "--snapshot FILE" in done.stderr


def test_missing_packages_are_exit_code_2_and_the_command(monkeypatch, capsys):
    monkeypatch.setattr(
        "specklenn.gui.common.qt_check.refusal", lambda: "no Qt: pip install x"
    )

    assert main(["--simulate"]) == 2
    assert capsys.readouterr().err == "specklenn monitor: no Qt: pip install x\n"
