"""``specklenn run`` on the European XFEL's own bridge and run directories."""

import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.mpi,
    pytest.mark.slow,
    # pandas, under EXtra-data, announces what it will change.
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

karabo_bridge = pytest.importorskip("karabo_bridge")
pytest.importorskip("extra_data")

from extra_data.tests.mockdata import write_file  # noqa: E402
from extra_data.tests.mockdata.basler_camera import BaslerCamera  # noqa: E402

SHOTS = 2000
PULSES = 4
FIRST_TRAIN = 10_000
CAMERA = "SPB_IRU_CAM/CAM/SIDEMIC"
SOURCE = f"{CAMERA}:daqOutput"
KEY = "data.image.pixels"
START_NS = 1_700_000_000_000_000_000
TRAIN_NS = 100_000_000
PATIENCE_S = 120
IDLE_END_S = 10


@pytest.fixture(scope="module")
def frames(draw_shots):
    return draw_shots(SHOTS)[0]


@pytest.fixture(scope="module")
def labels(run_folder, command, draw_shots, tmp_path_factory):
    """Labels of the same shots in an HDF5 file."""
    folder = tmp_path_factory.mktemp("hdf5")
    write_dataset(folder / "run.cxi", *draw_shots(SHOTS))
    done = command(
        "run",
        run_folder.config,
        "--set",
        f"source.path={folder}/run.cxi",
        "--set",
        f"output.folder={folder}/o",
    )
    assert done.returncode == 0, done.stderr
    return rows_of(folder / "o")["label"]


def rows_of(folder):
    with h5py.File(folder / "results.h5", "r", swmr=True) as file:
        return np.sort(file["rows"][()], order="index")


def free_endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def config(run_folder, folder, source):
    path = folder / "euxfel.yaml"
    path.write_text(
        "run: {experiment: euxfel, number: 94}\n"
        f"source:\n{source}"
        f"model: {{weights: {run_folder.path}/w.safetensors}}\n"
        f"support: {{file: {run_folder.path}/support.yaml}}\n"
        f"output: {{folder: {folder}/o}}\n"
        "publish: {enabled: false}\n"
    )
    return path


def bridge_source(endpoints, pattern, idle_end_s=IDLE_END_S):
    return (
        "  kind: karabo-bridge\n"
        f"  endpoints: {endpoints}\n"
        f"  pattern: {pattern}\n"
        f"  source: {SOURCE}\n"
        f"  key: {KEY}\n"
        f"  shots: {SHOTS}\n"
        f"  idle_end_s: {idle_end_s or 'null'}\n"
        "  trouble_after_s: 1\n"
    )


def trains_of(frames):
    """Trains of four pulses with their times."""
    for number in range(len(frames) // PULSES):
        time_ns = START_NS + number * TRAIN_NS
        metadata = {
            "source": SOURCE,
            "timestamp.tid": FIRST_TRAIN + number,
            "timestamp.sec": str(time_ns // 10**9),
            "timestamp.frac": f"{time_ns % 10**9:09}" + "0" * 9,
        }
        pulses = frames[number * PULSES : (number + 1) * PULSES]
        yield {SOURCE: {KEY: pulses}}, {SOURCE: metadata}


def shot_of(timestamp_ns):
    """Which of the frames have these times, by train and pulse."""
    since = timestamp_ns.astype(np.int64) - START_NS
    train, rest = np.divmod(since, TRAIN_NS)
    return train * PULSES + np.rint(rest / (1e9 / 4.513889e6)).astype(np.int64)


@pytest.fixture
def serve():
    """Return a function that serves trains on an endpoint in the background."""
    running, stop = [], threading.Event()

    def feed(server, trains):
        for data, metadata in trains:
            while not stop.is_set():
                try:
                    server.feed(data, metadata, timeout=0.1)
                    break
                except queue.Full:
                    continue

    def start(endpoint, pattern, trains):
        sock = {"REQ": "REP", "PULL": "PUSH"}[pattern]
        server = karabo_bridge.ServerInThread(endpoint, sock=sock)
        server.start()
        thread = threading.Thread(target=feed, args=(server, trains))
        thread.start()
        running.append((server, thread))

    yield start
    stop.set()
    for server, thread in running:
        thread.join()
        server.stop()


def check_all_shots(folder, labels):
    rows = rows_of(folder)
    shots = shot_of(rows["timestamp_ns"])
    assert len(rows) == SHOTS
    assert sorted(shots) == list(range(SHOTS))
    assert not (rows["label"] == -1).any()
    np.testing.assert_array_equal(rows["label"], labels[shots])


def test_two_workers_share_a_bridge_that_answers_requests(
    run_folder, command, serve, frames, labels, tmp_path
):
    endpoint = free_endpoint()
    serve(endpoint, "REQ", trains_of(frames))

    path = config(run_folder, tmp_path, bridge_source(endpoint, "REQ"))
    done = command("run", path, ranks=3, timeout=250)

    assert done.returncode == 0, done.stderr
    check_all_shots(tmp_path / "o", labels)
    assert set(rows_of(tmp_path / "o")["rank"]) == {1, 2}


def test_two_workers_read_two_bridges_that_push(
    run_folder, command, serve, frames, labels, tmp_path
):
    ends = [free_endpoint(), free_endpoint()]
    trains = list(trains_of(frames))
    serve(ends[0], "PULL", trains[::2])
    serve(ends[1], "PULL", trains[1::2])

    path = config(run_folder, tmp_path, bridge_source(ends, "PULL"))
    done = command("run", path, ranks=3, timeout=250)

    assert done.returncode == 0, done.stderr
    check_all_shots(tmp_path / "o", labels)
    rows = rows_of(tmp_path / "o")
    odd = shot_of(rows["timestamp_ns"]) // PULSES % 2
    assert set(rows["rank"][odd == 0]) == {1}
    assert set(rows["rank"][odd == 1]) == {2}


def wait_until(done, process, what):
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def log_of(folder):
    path = folder / "run.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_late_bridge_is_told_flows_and_an_interrupted_run_keeps_its_rows(
    run_folder, command, serve, frames, tmp_path, ranks, count_rows
):
    endpoint, folder = free_endpoint(), tmp_path / "o"
    path = config(run_folder, tmp_path, bridge_source(endpoint, "REQ", None))
    process = command("run", path, ranks=ranks, start=True, stdout=-1, stderr=-1)
    try:
        said = f"{endpoint}: no bridge answers"
        wait_until(lambda: said in log_of(folder), process, "no trouble is told")
        serve(endpoint, "REQ", trains_of(frames))
        wait_until(
            lambda: count_rows(folder / "results.h5") == SHOTS,
            process,
            "shots are missing",
        )
        wait_until(
            lambda: "shots come again" in log_of(folder), process, "trouble stays"
        )

        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert len(np.unique(rows_of(folder)["timestamp_ns"])) == SHOTS
    assert process.returncode != 0
    if ranks is None:
        assert process.returncode == 130


@pytest.fixture(scope="module")
def recorded(frames, tmp_path_factory):
    """A run directory of a camera, two files one after the other."""
    folder = tmp_path_factory.mktemp("r0094")
    half = SHOTS // 2
    for part in range(2):
        path = folder / f"RAW-R0094-DA01-S{part:05}.h5"
        write_file(
            path,
            [BaslerCamera(CAMERA, sensor_size=frames.shape[1:])],
            ntrains=half,
            firsttrain=FIRST_TRAIN + part * half,
            format_version="1.2",
        )
        with h5py.File(path, "r+") as file:
            stored = file[f"INSTRUMENT/{SOURCE}/data/image/pixels"]
            stored[:half] = frames[part * half : (part + 1) * half]
            times = START_NS + TRAIN_NS * (part * half + np.arange(half))
            file["INDEX/timestamp"][:half] = times
    return folder


def recorded_source(folder, source=SOURCE, key=KEY):
    return f"  kind: extra-data\n  path: {folder}\n  source: {source}\n  key: {key}\n"


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_recorded_run_is_judged_like_the_same_shots_in_hdf5(
    run_folder, command, recorded, labels, tmp_path, ranks
):
    path = config(run_folder, tmp_path, recorded_source(recorded))

    done = command("run", path, ranks=ranks, timeout=250)

    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "o")
    assert rows["index"].tolist() == list(range(SHOTS))
    np.testing.assert_array_equal(rows["label"], labels)
    expected = START_NS + TRAIN_NS * np.arange(SHOTS)
    np.testing.assert_array_equal(rows["timestamp_ns"], expected)


@pytest.mark.parametrize(
    ("changes", "words", "ranks"),
    [
        ({"source": "CAM"}, f"no source CAM; instrument sources found: {SOURCE}", 3),
        ({"key": "data.no"}, f"{SOURCE}: no key data.no; keys found: data.im", None),
    ],
)
def test_what_a_run_does_not_have_is_told_once_before_the_start(
    run_folder, command, recorded, tmp_path, changes, words, ranks
):
    path = config(run_folder, tmp_path, recorded_source(recorded, **changes))

    done = command("run", path, ranks=ranks)

    assert done.returncode == 2
    assert done.stderr.count(words) == 1
    assert not (tmp_path / "o").exists()


def test_a_run_replayed_by_the_bridges_own_command_is_read_whole(
    run_folder, command, recorded, frames, labels, tmp_path
):
    """Files are served without times, so shots are told apart by their pixels."""
    endpoint = free_endpoint()
    binary = str(Path(sys.executable).parent / "karabo-bridge-serve-files")
    words = [binary, str(recorded), endpoint, "-z", "PUSH", "--source", SOURCE]
    server = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        path = config(run_folder, tmp_path, bridge_source(endpoint, "PULL"))
        save = "output.save_classes=[single-hit,multi-hit,non-sample-hit,no-hit]"
        done = command("run", path, "--set", save, ranks=3, timeout=250)
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=PATIENCE_S) == 0
    finally:
        server.kill()
        server.wait()

    rows = rows_of(tmp_path / "o")
    assert len(rows) == SHOTS
    assert np.bincount(rows["label"]).tolist() == np.bincount(labels).tolist()
    seen = labelled_dataset.read_dataset(tmp_path / "o/hits.cxi").patterns
    ours = sorted(frame.tobytes() for frame in seen.astype(np.uint16))
    assert ours == sorted(frame.tobytes() for frame in frames)
