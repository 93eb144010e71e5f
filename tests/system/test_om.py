"""``specklenn om`` inside the real OM: its loop, its data retrieval, its sockets."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
import zmq

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.messages import decode

pytest.importorskip("om")
pytestmark = [
    pytest.mark.hosts,
    pytest.mark.mpi,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

SHOTS = 1000
FIRST_S = 1_700_000_000
PATIENCE_S = 240
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    # What OM is made of uses names that Python will drop one day.
    "PYTHONWARNINGS": "error,ignore::DeprecationWarning",
}


@dataclass(frozen=True)
class Beamtime:
    """Frames as single files, one a second of file time, and their configuration."""

    folder: Path
    frames: np.ndarray
    names: np.ndarray

    def path(self, number):
        return self.folder / "frames" / f"{number:04d}.npy"

    def listed(self, path, names):
        path.write_text("".join(f"{name}\n" for name in names))
        return path

    def shots(self, path, number=SHOTS):
        return self.listed(path, [self.path(shot) for shot in range(number)])


@pytest.fixture(scope="module")
def beamtime(tmp_path_factory, draw_shots, mask, run_folder):
    folder = tmp_path_factory.mktemp("om")
    frames, names = draw_shots(SHOTS, seed=5)
    made = Beamtime(folder, frames.astype(np.float32), names)
    (folder / "frames").mkdir()
    for number, frame in enumerate(made.frames):
        np.save(made.path(number), frame)
        os.utime(made.path(number), (FIRST_S + number, FIRST_S + number))
    write_dataset(folder / "run.cxi", made.frames, names, mask=mask)
    settings = {
        "run": {"experiment": "om", "number": 94},
        "source": {
            "kind": "om",
            "om": {"data_retrieval_layer": "PilatusFilesDataRetrieval"},
            "data_retrieval_layer": {"required_data": ["timestamp", "detector_data"]},
            "viewer": {"enabled": False},
        },
        "model": {"weights": str(run_folder.path / "w.safetensors")},
        "support": {"file": str(run_folder.path / "support.yaml")},
        "calibration": {"mask_file": "run.cxi"},
        "publish": {"enabled": False},
    }
    (folder / "om.yaml").write_text(yaml.safe_dump(settings))
    settings["source"] = {"kind": "hdf5", "path": "run.cxi"}
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return made


@pytest.fixture(scope="module")
def expected(beamtime, command, tmp_path_factory):
    """The rows of `specklenn run` for the same frames in one HDF5 file."""
    folder = tmp_path_factory.mktemp("run-output")
    done = command(
        "run",
        beamtime.folder / "run.yaml",
        "--set",
        f"output.folder={folder}",
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return np.sort(rows(folder), order="index")


@pytest.fixture
def om(beamtime, command, tmp_path):
    """Start `specklenn om` under mpirun; output goes to tmp_path/o."""
    started = []

    def call(source, *settings, ranks=3, start=False):
        words = ["om", beamtime.folder / "om.yaml", source]
        for setting in (f"output.folder={tmp_path}/o", *settings):
            words += ["--set", setting]
        if not start:
            return command(*words, ranks=ranks, timeout=PATIENCE_S, env=ENVIRONMENT)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = command(*words, ranks=ranks, start=True, env=ENVIRONMENT, **streams)
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def rows(folder):
    # Also where mpirun killed the job before it had closed its files.
    with h5py.File(folder / "results.h5", "r", swmr=True) as file:
        return np.sort(file["rows"][()], order="timestamp_ns")


def free_endpoints():
    """Two endpoints that nobody uses."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in (first, second)]


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_shot_is_judged_inside_om_as_in_a_run_of_ours(
    beamtime, om, expected, tmp_path, ranks
):
    done = om(beamtime.shots(tmp_path / "list.txt"), ranks=ranks)

    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "o")
    assert len(found) == SHOTS
    times = FIRST_S * 10**9 + np.arange(SHOTS) * 10**9
    assert found["timestamp_ns"].tolist() == times.tolist()
    for name in ("label", "flags", "lit_pixels", "support_version"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_allclose(found["distances"], expected["distances"], atol=1e-4)
    assert set(found["rank"]) == set(range(1, ranks))
    assert len(np.unique(found["index"])) == SHOTS
    assert f"{SHOTS} shots in" in done.stdout


def test_single_hits_are_saved_with_their_frames(beamtime, om, tmp_path):
    done = om(beamtime.shots(tmp_path / "list.txt", 200))

    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "o/hits.cxi") as file:
        saved = file["/entry_1/data_1/data"][()]
        numbers = file["/entry_1/event_1/timestamp_ns"][()] // 10**9 - FIRST_S
    assert set(beamtime.names[numbers]) == {"single-hit"}
    np.testing.assert_array_equal(saved, beamtime.frames[numbers])


def test_our_window_and_oms_frame_viewer_see_the_run(beamtime, om, tmp_path):
    ours, theirs = free_endpoints()
    source = beamtime.listed(
        tmp_path / "list.txt", [beamtime.path(i % SHOTS) for i in range(50 * SHOTS)]
    )
    with zmq.Context() as context:
        window, viewer, rates = (context.socket(zmq.SUB) for _ in range(3))
        window.subscribe(b"")
        viewer.subscribe(b"omframedata")
        rates.subscribe(b"omdata")
        window.connect(ours)
        for subscriber in (viewer, rates):
            subscriber.connect(theirs)
        for subscriber in (window, viewer, rates):
            subscriber.linger = 0

        process = om(
            source,
            "publish.enabled=true",
            f"publish.endpoint={ours}",
            "source.viewer.enabled=true",
            f"source.viewer.endpoint={theirs}",
            start=True,
        )
        snapshot = first_with_examples(window, process)
        frame = received_as_om_does(viewer, process)
        rate = received_as_om_does(rates, process)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        for subscriber in (window, viewer, rates):
            subscriber.close()

    assert snapshot.experiment == "om"
    assert [status.rank for status in snapshot.ranks] == [1, 2]
    number = round(frame["timestamp"]) - FIRST_S
    assert beamtime.names[number] == "single-hit"
    np.testing.assert_array_equal(frame["frame_data"], beamtime.frames[number])
    assert frame["peak_list_x_in_frame"] == frame["peak_list_y_in_frame"] == []
    assert set(rate["class_counts"]) == {*np.unique(beamtime.names), "unknown"}


def first_with_examples(window, process):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if window.poll(200):
            snapshot = decode(window.recv())
            if snapshot.examples:
                return snapshot
    raise AssertionError("no snapshot with examples came")


def received_as_om_does(subscriber, process):
    """Receive a message as OM's `ZmqDataListener` does, which itself needs PyQt5."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if subscriber.poll(200):
            subscriber.recv_string()
            return subscriber.recv_pyobj()
    raise AssertionError("nothing came on OM's socket")


def test_a_frame_file_that_cannot_be_read_is_a_counted_skip(beamtime, om, tmp_path):
    whole = beamtime.path(7).read_bytes()
    (tmp_path / "truncated.npy").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "foreign.npy").write_bytes(b"no frame")
    np.save(tmp_path / "small.npy", np.ones((5, 5), np.float32))
    names = [beamtime.path(number) for number in range(100)]
    names[10] = tmp_path / "truncated.npy"
    names[60] = tmp_path / "foreign.npy"
    names[70] = tmp_path / "small.npy"

    done = om(beamtime.listed(tmp_path / "list.txt", names))

    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "o")) == 100
    assert (rows(tmp_path / "o")["label"] == -1).sum() == 3
    assert "skipped: unreadable  │     2" in done.stdout
    assert "skipped: wrong shape │     1" in done.stdout


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (None, "rank 1 on"),
        ([0, 1, 2, 3, "missing.npy", 5], "missing.npy"),
    ],
)
def test_a_failure_of_oms_retrieval_ends_all_ranks_and_names_it(
    beamtime, om, tmp_path, listed, words
):
    source = tmp_path / "list.txt"
    if listed is not None:
        named = [n if isinstance(n, str) else beamtime.path(n) for n in listed]
        beamtime.listed(source, named)

    done = om(source, ranks=3 if listed else 2)

    assert done.returncode == 1
    assert "specklenn: error: rank " in done.stderr
    assert words in done.stderr
    assert "results.h5" in done.stdout


BROKEN = """
import sys
from specklenn.plugin.commands import om
from specklenn.plugin.om.{module} import {name}

def broken(self, **_):
    raise RuntimeError("a programming error")

{name}.{method} = broken
sys.exit(om.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("module", "name", "method", "who"),
    [
        ("processing", "ProcessingNode", "process_data", "rank 1"),
        ("collecting", "CollectingNode", "collect_data", "rank 0"),
        ("collecting", "CollectingNode", "initialize_collecting_node", "rank 0"),
    ],
)
def test_an_error_nobody_foresaw_ends_all_ranks_and_names_it(
    beamtime, om, tmp_path, module, name, method, who
):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN.format(module=module, name=name, method=method))
    mpirun = Path(sys.executable).parent / "mpirun"

    done = subprocess.run(
        [
            *(mpirun, "-n", "2", sys.executable, script),
            *(beamtime.folder / "om.yaml", beamtime.shots(tmp_path / "list.txt", 50)),
            *("--set", f"output.folder={tmp_path}/o"),
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 1
    assert f"specklenn: error: {who} on" in done.stderr
    assert "failed: RuntimeError: a programming error" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_though_a_node_waits_for_its_data(
    beamtime, om, tmp_path, number, wait_for_rows
):
    os.mkfifo(tmp_path / "never.npy")
    names = [beamtime.path(i % SHOTS) for i in range(50 * SHOTS)]
    names[-1] = names[25 * SHOTS] = tmp_path / "never.npy"
    process = om(beamtime.listed(tmp_path / "list.txt", names), start=True)
    wait_for_rows(tmp_path / "o/results.h5", 200)

    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode != 0
    found = rows(tmp_path / "o")
    assert len(found) >= 200
    assert len(np.unique(found["index"])) == len(found)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["source.om.data_retrieval_layer=Nosuch"], ["PilatusFilesDataRetrieval"]),
        (
            ["source.data_retrieval_layer.required_data=[detector_data, nosuch]"],
            ["OM refuses its parameters", "nosuch"],
        ),
        (
            ["control.enabled=true", "support.file=no.yaml"],
            ["no requests", "no.yaml: cannot be read"],
        ),
    ],
)
def test_what_om_would_hang_on_is_refused_before_it_starts(
    beamtime, om, tmp_path, settings, words
):
    done = om(beamtime.shots(tmp_path / "list.txt", 4), *settings)

    assert done.returncode == 2
    told = [
        line for line in done.stderr.splitlines() if line.startswith("specklenn: error")
    ]
    assert len(told) == len({*told}) >= 1
    assert all(word in done.stderr for word in words)
    assert not (tmp_path / "o/results.h5").exists()


def test_one_process_alone_is_refused(beamtime, om, tmp_path):
    done = om(beamtime.shots(tmp_path / "list.txt", 4), ranks=1)

    assert done.returncode == 2
    assert "mpirun -n 2 specklenn om" in done.stderr
