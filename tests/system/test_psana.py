"""Runs of LCLS-II with the real psana: recorded, growing, and in a shared memory."""

import ctypes
import importlib.util
import itertools
import os
import pickle
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.sources import ConfigFolder
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.plugin.sources.psana.settings import PsanaSettings

if importlib.util.find_spec("psana") is None:
    pytest.skip("psana is not installed (make test-hosts)", allow_module_level=True)

pytestmark = [pytest.mark.hosts, pytest.mark.slow, pytest.mark.timeout(600)]

WRITER = Path(__file__).parents[1] / "xtc2.py"
SHOTS = 300
NAME = "spitest-r0001-s000-c000"
FILE, SMALL = f"{NAME}.xtc2", f"smalldata/{NAME}.smd.xtc2"
UNREADABLE, WRONG_SHAPE = Flag.UNREADABLE.value, Flag.WRONG_SHAPE.value
EVENT_HEADERS = 80
"""Bytes of an event before its pixels."""

DEALT_AT_LEAST = 0.8
"""Of its events a server deals out, however busy the machine is."""

PATIENCE_S = 120.0


def event_ns(number):
    """When the writer lets an event happen: 120 Hz, from 10 periods behind 1e9 s."""
    return (1_000_000_000 + 631_152_000) * 10**9 + (10 + number) * 8_333_333


def write_run(frames, folder, *options):
    """Write a run with psana's own tools; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "frames.npy", frames)
    words = [sys.executable, WRITER, folder / "frames.npy", folder, *options]
    subprocess.run([*map(str, words)], check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def frames(run_folder):
    return labelled_dataset.read_dataset(
        run_folder.path / "run.cxi", slice(SHOTS)
    ).patterns


@pytest.fixture(scope="module")
def recorded(frames, tmp_path_factory):
    """The first shots of the HDF5 run as a run of LCLS-II with two streams."""
    folder = write_run(frames, tmp_path_factory.mktemp("xtc"))
    return write_run(frames[:, :8, :8], folder, "--stream", 1, "--detector", "other")


@pytest.fixture
def spoilt(recorded, tmp_path):
    """The run with other contents of its files, which a test makes from the old."""

    def spoil(big=lambda content: content, small=lambda content: content):
        folder = tmp_path / "spoilt"
        (folder / "smalldata").mkdir(parents=True)
        for name, change in ((FILE, big), (SMALL, small)):
            (folder / name).write_bytes(change((recorded / name).read_bytes()))
        return folder

    return spoil


@pytest.fixture
def opened():
    """Open a run as every rank does."""
    sources = []

    def open_run(**keys):
        settings = PsanaSettings(**{"kind": "psana", "detector": "spicam", **keys})
        sources.append(settings.open(ConfigFolder()))
        return sources[-1]

    yield open_run
    for source in sources:
        source.close()


@pytest.fixture
def configured(run_folder, tmp_path):
    """Write a configuration with a source; its output is in ``o`` beside it."""

    def write(**source):
        lines = [f"  {key}: {value}" for key, value in source.items()]
        path = tmp_path / "psana.yaml"
        path.write_text(
            "run: {experiment: test, number: 94}\n"
            "source:\n  kind: psana\n  detector: spicam\n" + "\n".join(lines) + "\n"
            f"model: {{weights: {run_folder.path}/w.safetensors}}\n"
            f"support: {{file: {run_folder.path}/support.yaml}}\n"
            f"calibration: {{mask_file: {run_folder.path}/run.cxi}}\n"
            f"output: {{folder: {tmp_path}/o}}\n"
            "publish: {enabled: false}\n"
        )
        return path

    return write


def results(folder):
    with h5py.File(folder / "results.h5") as file:
        return np.sort(file["rows"][()], order="index")


@pytest.fixture(scope="module")
def expected(run_folder, command, tmp_path_factory):
    """The rows of the same shots from HDF5."""
    folder = tmp_path_factory.mktemp("hdf5")
    sets = [f"output.folder={folder}", f"source.last_shot={SHOTS}"]
    words = [word for item in sets for word in ("--set", item)]
    done = command("run", run_folder.config, *words)
    assert done.returncode == 0, done.stderr
    return results(folder)


# Recorded runs


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("way", ["exp", "files"])
def test_every_shot_of_a_run_is_judged_as_from_hdf5(
    recorded, expected, configured, command, tmp_path, way, ranks
):
    run = {"exp": "spitest", "run": 1, "dir": recorded}
    source = run if way == "exp" else {"files": [str(recorded / FILE)]}

    done = command("run", configured(**source), ranks=ranks, timeout=240)

    assert done.returncode == 0, done.stderr
    rows = results(tmp_path / "o")
    assert rows["index"].tolist() == list(range(SHOTS))
    assert rows["timestamp_ns"].tolist() == [event_ns(i) for i in range(SHOTS)]
    for name in ("label", "flags", "lit_pixels", "photons"):
        np.testing.assert_array_equal(rows[name], expected[name])


def test_frames_are_those_that_were_written(recorded, opened, frames):
    raw = opened(exp="spitest", run=1, dir=str(recorded), data="raw")
    calib = opened(exp="spitest", run=1, dir=str(recorded))

    assert (len(raw), raw.shape, raw.dtype) == (SHOTS, (100, 100), np.uint16)
    assert calib.dtype == np.float32
    np.testing.assert_array_equal(raw.read(100, 170).frames, frames[100:170])
    np.testing.assert_array_equal(calib.read(3, 5).frames, frames[3:5])
    assert (raw.notes, raw.growing) == ((), False)


def test_files_follow_each_other_with_and_without_smalldata(
    recorded, opened, frames, tmp_path
):
    shutil.copy(recorded / FILE, tmp_path / "copy.xtc2")

    run = opened(files=[str(recorded / FILE), str(tmp_path / "copy.xtc2")], data="raw")

    shots = run.read(SHOTS - 5, SHOTS + 5)
    expected = np.concatenate([frames[-5:], frames[:5]])
    np.testing.assert_array_equal(shots.frames, expected)
    assert len(run) == 2 * SHOTS


def test_modules_lie_on_each_other_and_bad_events_are_flagged(opened, frames, tmp_path):
    options = ["--segments", 2, "--incomplete", 3, 7, "--small", 9]
    folder = write_run(frames[:20], tmp_path, *options)

    run = opened(exp="spitest", run=1, dir=str(folder), data="raw")
    shots = run.read(0, 20)

    assert (run.modules, run.shape) == (2, (100, 100))
    bad = {3: UNREADABLE, 7: UNREADABLE, 9: WRONG_SHAPE}
    assert shots.flags.tolist() == [bad.get(i, 0) for i in range(20)]
    good = shots.flags == 0
    np.testing.assert_array_equal(shots.frames[good], frames[:20][good])


def test_modules_that_are_not_needed_are_zero(opened, frames, tmp_path):
    folder = write_run(frames[:20], tmp_path, "--segments", 2)
    run = opened(exp="spitest", run=1, dir=str(folder), data="raw")

    run.read_only(np.array([False, True]))

    read = run.read(0, 4).frames
    assert not read[:, :50].any()
    np.testing.assert_array_equal(read[:, 50:], frames[:4, 50:])


@pytest.fixture
def cache():
    """Put constants into psana's cache, which is one for the machine."""
    path = Path("/dev/shm/calibconst.pkl")
    if path.exists():
        pytest.skip(f"{path} belongs to somebody else")
    yield lambda content: path.write_bytes(pickle.dumps(content))
    path.unlink(missing_ok=True)


def test_constants_and_mask_come_from_psanas_cache(recorded, opened, frames, cache):
    pedestals = np.full((100, 100), 2, np.float32)
    status = np.zeros((100, 100), np.uint64)
    status[10:12] = 1
    names = {"spicam": "opal_serial0", "other": "opal_serial0"}
    constants = {"pedestals": (pedestals, {}), "pixel_status": (status, {})}
    cache({"det_info": names, "calib_const": {"spicam": constants}})

    run = opened(
        exp="spitest", run=1, dir=str(recorded), constants="cache", use_mask=True
    )

    np.testing.assert_array_equal(run.read(0, 5).frames, frames[:5] - np.float32(2))
    np.testing.assert_array_equal(run.mask(), status == 1)


# Damaged runs


def test_a_run_that_ends_too_early_is_counted_against_its_index(
    spoilt, configured, command, tmp_path, expected
):
    half = spoilt(big=lambda content: content[: len(content) // 2])

    done = command("run", configured(exp="spitest", run=1, dir=half), timeout=240)

    assert done.returncode == 0, done.stderr
    rows = results(tmp_path / "o")
    good = np.flatnonzero(rows["flags"] != UNREADABLE)
    assert len(rows) == SHOTS
    assert 100 < len(good) < 200
    assert good.tolist() == list(range(len(good)))
    np.testing.assert_array_equal(rows["label"][good], expected["label"][good])
    assert rows["timestamp_ns"].tolist() == [event_ns(i) for i in range(SHOTS)]
    sentence = f"{len(good)} of {SHOTS} events could be read"
    assert sentence in (tmp_path / "o/run.log").read_text()
    assert "skipped: unreadable" in done.stdout


def test_an_index_that_ends_too_early_loses_nothing(spoilt, opened, frames):
    folder = spoilt(small=lambda content: content[: len(content) // 2])

    run = opened(exp="spitest", run=1, dir=str(folder), data="raw")

    np.testing.assert_array_equal(run.read(0, SHOTS).frames, frames)
    (note,) = run.notes
    assert f"of {SHOTS} events; the others were found in the data" in note


def test_an_event_in_the_middle_that_is_damaged_is_one_lost_shot(
    spoilt, opened, frames
):
    def spoil(content):
        event = content.index(frames[150].tobytes()) - EVENT_HEADERS
        return content[:event] + b"\xff" * 24 + content[event + 24 :]

    run = opened(exp="spitest", run=1, dir=str(spoilt(big=spoil)), data="raw")
    shots = run.read(0, SHOTS)

    assert np.flatnonzero(shots.flags).tolist() == [150]
    good = shots.flags == 0
    np.testing.assert_array_equal(shots.frames[good], frames[good])


def noise(content):
    """Keep the first header, and replace what it holds."""
    random = np.random.default_rng(0).bytes(1000)
    return content[:200] + random + content[1200:]


@pytest.mark.parametrize(
    "content", [b"", b"# no xtc2 file\n" * 99, None], ids=["empty", "text", "cut"]
)
def test_what_does_not_begin_with_a_whole_configure_is_refused(
    recorded, opened, tmp_path, content
):
    name = tmp_path / "a.xtc2"
    name.write_bytes(
        (recorded / FILE).read_bytes()[:300] if content is None else content
    )

    with pytest.raises(DataError, match=f"^{name}: it does not begin with a whole"):
        opened(files=str(name))


@pytest.mark.mpi
def test_a_beginning_that_ends_psanas_process_is_one_sentence_of_all_ranks(
    spoilt, configured, command
):
    folder = spoilt(big=noise)
    (folder / SMALL).unlink()
    config = configured(files=folder / FILE)

    done = command("run", config, ranks=3, timeout=240)

    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "specklenn" in line]
    assert len(lines) == 1
    assert f"{FILE}: psana " in lines[0]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"run": 7}, f"no smalldata of run 7 of spitest.*found: {NAME}"),
        ({"dir": "/no/such"}, "/no/such: no such folder"),
        ({"detector": "spicamm"}, "'spicamm'.*detectors found: other, spicam$"),
        ({"interface": "fex"}, "no interface 'fex' in .*; found: raw$"),
        ({"use_mask": True}, "no mask for spicam with source.constants: none"),
        ({"constants": "cache"}, "no constants .* in psana's cache"),
    ],
)
def test_what_a_run_does_not_have_is_told_with_what_it_has(
    recorded, opened, keys, words
):
    with pytest.raises(DataError, match=words):
        opened(**{"exp": "spitest", "run": 1, "dir": str(recorded), **keys})


def test_a_wrong_detector_ends_the_command_before_the_start(
    recorded, configured, command, tmp_path
):
    config = configured(exp="spitest", run=1, dir=recorded)

    done = command("run", config, "--set", "source.detector=spicamm", timeout=240)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no detector 'spicamm'" in line
    assert line.endswith("detectors found: other, spicam")
    assert not (tmp_path / "o").exists()


# A psana that dies


def test_an_event_that_ends_psanas_process_is_one_lost_shot(
    recorded, opened, frames, monkeypatch
):
    run = opened(exp="spitest", run=1, dir=str(recorded), data="raw")
    receive, count = run._psana.receive, iter(range(SHOTS))

    def receive_and_kill():
        if next(count) == 10:
            os.kill(run._psana.pid, signal.SIGKILL)
            while receive() is not None:
                pass
            return None
        return receive()

    monkeypatch.setattr(run._psana, "receive", receive_and_kill)
    shots = run.read(0, 40)

    assert np.flatnonzero(shots.flags).tolist() == [10]
    good = shots.flags == 0
    np.testing.assert_array_equal(shots.frames[good], frames[:40][good])


# A run that is being written


def grow(recorded, folder, steps):
    """Copy a run piece by piece, as it would be written."""
    (folder / "smalldata").mkdir(parents=True)
    parts = []
    for name in (FILE, SMALL):
        content = (recorded / name).read_bytes()
        cuts = [len(content) * step // steps for step in range(steps + 1)]
        pieces = [content[a:b] for a, b in itertools.pairwise(cuts)]
        parts.append((folder / name, pieces))
    for step in range(steps):
        for path, pieces in parts:
            with path.open("ab") as file:
                file.write(pieces[step])
        time.sleep(0.2)


@pytest.mark.mpi
def test_a_run_is_read_while_it_is_written_and_the_job_ends_with_it(
    recorded, expected, configured, command, tmp_path
):
    config = configured(exp="spitest", run=1, dir=tmp_path / "xtc", live="true")
    process = command("run", config, ranks=3, start=True, stdout=-1, stderr=-1)
    try:
        grow(recorded, tmp_path / "xtc", steps=40)
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()

    assert process.returncode == 0, errors
    rows = results(tmp_path / "o")
    assert rows["index"].tolist() == list(range(SHOTS))
    assert rows["timestamp_ns"].tolist() == [event_ns(i) for i in range(SHOTS)]
    np.testing.assert_array_equal(rows["label"], expected["label"])


def test_a_run_that_is_not_written_any_more_is_a_failure_with_its_rows_kept(
    spoilt, configured, command, tmp_path
):
    half = spoilt(
        big=lambda content: content[: len(content) // 2],
        small=lambda content: content[: len(content) * 2 // 5],
    )
    run = {"exp": "spitest", "run": 1, "dir": half, "live": "true"}

    done = command("run", configured(**run, growth_timeout_s=3), timeout=240)

    assert done.returncode == 1
    assert "nothing was written for 3 s and the run has no end" in done.stdout
    assert len(results(tmp_path / "o")) > 50


# Shared memory


@contextmanager
def served(tag, run, clients):
    """Play a run into a shared memory, 120 events a second."""
    program = Path(sysconfig.get_paths()["platlib"], "bin/shmemServer")
    words = ["-p", tag, "-n", 8, "-s", "0x100000", "-r", 120, "-c", clients]
    process = subprocess.Popen(
        [str(program), *map(str, words), "-f", str(run / FILE)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def tag(tmp_path):
    """A name that nobody else uses; what a killed server leaves is removed."""
    yield (name := f"specklenn{os.getpid()}{tmp_path.name[-6:]}")
    for left in Path("/dev/shm").glob(f"*{name}"):
        left.unlink()
    queues = [f"/PdsToMonitorEvQueue_{name}_{number}" for number in range(4)]
    for queue in [f"/PdsFromMonitorDiscovery_{name}", *queues]:
        ctypes.CDLL(None).mq_unlink(queue.encode())


@pytest.fixture(scope="module")
def played(frames, tmp_path_factory):
    """Five seconds; clients notice its end by what follows it."""
    shots = np.concatenate([frames, frames])
    return write_run(shots, tmp_path_factory.mktemp("shmem"), "--tail", 60)


@contextmanager
def running(command, config, ranks):
    process = command("run", config, ranks=ranks, start=True, stdout=-1, stderr=-1)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(true, what):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def log_text(folder):
    path = folder / "run.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.mpi
def test_two_workers_share_a_memory_at_120_hz_and_miss_nothing_that_reaches_them(
    played, configured, command, tmp_path, tag
):
    """On a busy machine the server itself drops some events, and tells nobody."""
    config = configured(shmem=tag, end_with_run="true", idle_end_s=20)

    with running(command, config, ranks=3) as process:
        wait_for(lambda: "no message yet" in log_text(tmp_path / "o"), "no start")
        with served(tag, played, clients=2):
            output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, errors
    assert "skipped 0, missed 0" in output
    rows = results(tmp_path / "o")
    assert set(rows["rank"]) == {1, 2}
    times = set(rows["timestamp_ns"].tolist())
    assert times <= {event_ns(number) for number in range(2 * SHOTS)}
    assert len(times) > DEALT_AT_LEAST * 2 * SHOTS
    assert len(np.unique(rows["index"])) == len(rows)


@pytest.mark.mpi
@pytest.mark.parametrize(("ranks", "restart_s"), [(None, 5), (3, 60)])
def test_a_server_that_dies_is_seen_and_shots_come_again_by_themselves(
    played, configured, command, tmp_path, tag, ranks, restart_s, count_rows
):
    """Whether psana is started again in between, or connects again by itself."""
    out, clients = tmp_path / "o", (ranks or 2) - 1
    config = configured(shmem=tag, restart_after_s=restart_s)

    with running(command, config, ranks) as process:
        with served(tag, played, clients):
            wait_for(lambda: count_rows(out / "results.h5") > 30, "no rows came")
        wait_for(lambda: "no message since" in log_text(out), "nobody saw it")
        before = count_rows(out / "results.h5")
        with served(tag, played, clients):
            wait_for(
                lambda: count_rows(out / "results.h5") > before + 30,
                "no rows came again",
            )
            wait_for(lambda: "shots come again" in log_text(out), "trouble stayed")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)

    assert process.returncode != 0
    if ranks is None:
        assert process.returncode == 130
    rows = results(out)
    assert len(rows) > before
    assert len(np.unique(rows["index"])) == len(rows)
    assert f"shared memory {tag}: no message since" in log_text(out)
