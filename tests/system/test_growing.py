"""``specklenn run`` on files that are still being written: real writers, real MPI."""

import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.mpi

PATIENCE_S = 120
"""The machine is shared; what should come comes long before."""

WRITER = """
import os, sys, time, h5py, numpy as np
from specklenn.core.data.labelled_dataset import DATA, LABEL, TIMESTAMP
way, source, gate, *targets = sys.argv[1:]
with h5py.File(source) as file:
    frames = file[DATA][()]
    labels = file[LABEL][()]

def columns(file):
    found = {}
    for name, kind, shape, chunk in (
        (DATA, frames.dtype, frames.shape[1:], CHUNK),
        (LABEL, labels.dtype, (), 64),
        (TIMESTAMP, "u8", (), 64),
    ):
        found[name] = file.require_dataset(
            name, (0, *shape), kind, exact=False, maxshape=(None, *shape),
            chunks=(chunk, *shape), compression="gzip" if name == DATA else None,
        ) if name not in file else file[name]
    return found

def append(file, of, start, stop):
    # Frames first, then what belongs to them, as one program after the other does.
    of[DATA].resize(stop - base, 0)
    file.flush()
    of[DATA][start - base:] = frames[start:stop]
    file.flush()
    of[LABEL].resize(stop - base, 0)
    of[TIMESTAMP].resize(stop - base, 0)
    file.flush()
    of[LABEL][start - base:] = labels[start:stop]
    of[TIMESTAMP][start - base:] = np.arange(start, stop) + 10**18
    file.flush()

CHUNK = {"swmr": 1, "again": 5}[way]
share = -(-len(frames) // len(targets))
steps = np.random.default_rng(0)
for number, target in enumerate(targets):
    base, end = number * share, min((number + 1) * share, len(frames))
    start = base
    file = None
    while start < end:
        stop = min(end, start + int(steps.integers(1, 12)))
        if file is None:
            file = h5py.File(target, "a", libver="latest" if way == "swmr" else None)
            of = columns(file)
            if way == "swmr":
                file.swmr_mode = True
        append(file, of, start, stop)
        if way == "again":
            file.close()
            file = None
        start = stop
        time.sleep(0.03)
        while not os.path.exists(gate):  # until the run has begun
            time.sleep(0.05)
    if file is not None:
        file.close()
print(len(frames), "shots")
"""


@pytest.fixture
def write(run_folder, tmp_path):
    """Begin to write the shots of the run again, slowly, into files of this test."""
    begun = []

    def begin(way, *names):
        paths = [run_folder.path / "run.cxi", tmp_path / "o/results.h5"]
        paths.extend(tmp_path / name for name in names)
        made = subprocess.Popen(
            [sys.executable, "-c", WRITER, way, *map(str, paths)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(made)
        until_s = time.monotonic() + PATIENCE_S
        while not (tmp_path / names[0]).exists():
            assert time.monotonic() < until_s, "the writer does not begin"
            time.sleep(0.1)
        return made

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def follow(command, run_folder, tmp_path, name, *more, ranks=3, **options):
    settings = {
        "source.path": tmp_path / name,
        "source.live": "true",
        "source.mask_dataset": "null",
        "output.folder": tmp_path / "o",
    }
    sets = [f"{key}={value}" for key, value in settings.items()]
    words = [word for each in (*sets, *more) for word in ("--set", each)]
    return command("run", run_folder.config, *words, ranks=ranks, **options)


def check_rows(tmp_path, run_folder, shots, expected):
    """Every shot has one row, with its own frame, label and time."""
    with h5py.File(tmp_path / "o/results.h5") as file:
        rows = np.sort(file["rows"][()], order="index")
    with h5py.File(expected) as file:
        known = np.sort(file["rows"][()], order="index")[:shots]
    assert rows["index"].tolist() == list(range(shots))
    assert rows["timestamp_ns"].tolist() == list(range(10**18, 10**18 + shots))
    for field in ("label", "truth", "photons", "lit_pixels", "flags"):
        np.testing.assert_array_equal(rows[field], known[field], field)
    return rows


@pytest.fixture(scope="module")
def complete(run_folder, command, tmp_path_factory):
    """The results of the same run, complete."""
    folder = tmp_path_factory.mktemp("complete")
    done = command(
        "run",
        run_folder.config,
        *("--set", f"output.folder={folder}", "--set", "source.mask_dataset=null"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "results.h5"


@pytest.mark.parametrize("ranks", [1, 3])
def test_every_shot_of_a_file_in_single_writer_mode_has_one_row(
    write, command, run_folder, complete, tmp_path, ranks
):
    writer = write("swmr", "live.h5")
    done = follow(command, run_folder, tmp_path, "live.h5", ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert writer.wait() == 0, writer.stderr.read()
    rows = check_rows(tmp_path, run_folder, run_folder.shots, complete)
    if ranks > 1:
        assert set(rows["rank"]) == {1, 2}
    assert f"{run_folder.shots} shots in" in done.stdout
    assert "no new shot" not in done.stdout


def test_every_shot_of_files_that_are_opened_again_and_again_has_one_row(
    write, command, run_folder, complete, tmp_path
):
    writer = write("again", "part_9.h5", "part_10.h5", "part_11.h5")
    done = follow(command, run_folder, tmp_path, "part_*.h5", "source.idle_end_s=20")

    assert done.returncode == 0, done.stderr
    assert writer.wait() == 0, writer.stderr.read()
    check_rows(tmp_path, run_folder, run_folder.shots, complete)
    assert "part_11.h5: no new shot for 20 s, which ends the run" in done.stdout


def test_a_killed_writer_costs_no_shot_and_a_second_run_goes_on(
    write, command, run_folder, complete, tmp_path, wait_for_rows, count_rows
):
    writer = write("swmr", "live.h5")
    threading.Thread(
        target=lambda: (wait_for_rows(tmp_path / "o/results.h5", 60), writer.kill()),
        daemon=True,
    ).start()
    done = follow(command, run_folder, tmp_path, "live.h5", "source.idle_end_s=10")
    assert done.returncode == 0, done.stderr
    shots = count_rows(tmp_path / "o/results.h5")
    check_rows(tmp_path, run_folder, shots, complete)
    again = follow(
        command,
        run_folder,
        tmp_path,
        "live.h5",
        "source.live=false",
        "source.first_shot=40",
        f"output.folder={tmp_path}/second",
    )

    assert "its writer has not closed it: it goes on, or died" in done.stdout
    assert f"--set source.first_shot={shots} and another output.folder" in done.stdout
    assert again.returncode == 0, again.stderr
    with h5py.File(tmp_path / "second/results.h5") as file:
        assert sorted(file["rows"]["index"]) == list(range(40, shots))


def test_a_file_that_is_replaced_fails_the_run_and_keeps_its_rows(
    write, command, run_folder, tmp_path, wait_for_rows
):
    write("swmr", "live.h5")

    def replace():
        wait_for_rows(tmp_path / "o/results.h5", 40)
        (tmp_path / "live.h5").rename(tmp_path / "old.h5")
        (tmp_path / "live.h5").write_text("another")

    threading.Thread(target=replace, daemon=True).start()
    done = follow(command, run_folder, tmp_path, "live.h5")

    assert done.returncode == 1
    assert (
        "live.h5: another file came in its place while it was followed" in done.stdout
    )
    with h5py.File(tmp_path / "o/results.h5") as file:
        assert len(file["rows"]) >= 40


def test_a_file_that_never_comes_is_refused_and_named(command, run_folder, tmp_path):
    done = follow(
        command, run_folder, tmp_path, "no.h5", "source.idle_end_s=1", ranks=2
    )

    assert done.returncode == 2
    assert "waiting for a shot: " in done.stderr
    assert "no.h5: no such file or folder; waited 1 s for a shot" in done.stderr
