"""``specklenn simulate`` as a user starts it: real processes, real MPI, real files."""

import filecmp
import os
import resource
import signal
import time

import h5py
import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")
pytest.importorskip("matplotlib")

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError

EXPERIMENT = """\
detector: {rows: 32, columns: 32, pixel_size_m: 2.4e-3}
procedural: {count: 2, seed: 1, atoms: [200, 400]}
fractions: {single-hit: 0.4, multi-hit: 0.3, non-sample-hit: 0.2, no-hit: 0.1}
fluence: 10
pool: 3
"""

SHOTS = 300
LONG = 1500
"""Shots of a run that lasts long enough to be stopped in its middle."""

ATOM = "ATOM      1  C   ALA A   1       1.000   2.000   3.000  1.00  0.00"
HEADER = "HEADER    NOTHING\nEND\n"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """An experiment of small particles on a small detector."""
    path = tmp_path_factory.mktemp("experiment") / "e.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture(scope="module")
def simulate(command, config):
    """Run ``specklenn simulate`` with that experiment."""

    def call(output, *words, **options):
        return command("simulate", config, "-o", output, *words, **options)

    return call


@pytest.fixture(scope="module")
def alone(simulate, tmp_path_factory):
    """A run by one process: its file."""
    path = tmp_path_factory.mktemp("alone") / "run.h5"
    done = simulate(path, "-n", SHOTS, "--processes", 1)
    assert (done.returncode, done.stderr) == (0, "")
    return path


@pytest.fixture(scope="module")
def long(simulate, tmp_path_factory):
    """A longer run that nobody stopped: its file."""
    path = tmp_path_factory.mktemp("long") / "run.h5"
    assert simulate(path, "-n", LONG, "--processes", 2).returncode == 0
    return path


def content(path):
    """Everything in a closed file: name to bytes."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()].tobytes()})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
        return found | dict(file.attrs)


def written(path):
    """Return how many shots of a growing file are whole."""
    try:
        with labelled_dataset.open_file(path) as file:
            return int(file["/entry_1/simulation_1/shots_written"][()])
    except (DataError, KeyError, OSError):
        return 0


def wait_for_shots(path, number, patience_s=60):
    deadline = time.monotonic() + patience_s
    while written(path) < number:
        assert time.monotonic() < deadline, "no shots came"
        time.sleep(0.02)


def test_the_command_says_what_it_wrote(simulate, tmp_path):
    done = simulate("run.h5", "-n", 3, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 shots written to run.h5\n"
    assert os.listdir(tmp_path) == ["run.h5"]


def test_two_processes_write_the_same_bytes_as_one(alone, simulate, tmp_path):
    done = simulate(tmp_path / "r.h5", "-n", SHOTS, "--processes", 2)

    assert (done.returncode, done.stderr) == (0, "")
    assert filecmp.cmp(tmp_path / "r.h5", alone, shallow=False)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 3])
def test_ranks_write_the_same_bytes_as_one_process(alone, simulate, tmp_path, ranks):
    done = simulate(tmp_path / "r.h5", "-n", SHOTS, ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("shots written") == 1
    assert filecmp.cmp(tmp_path / "r.h5", alone, shallow=False)


def test_the_same_seed_gives_the_same_bytes_however_given_and_another_others(
    simulate, tmp_path
):
    for name, seed in (("a", "--seed=7"), ("b", "--set=seed=7"), ("c", "--seed=8")):
        assert simulate(tmp_path / name, "-n", 9, seed).returncode == 0

    assert filecmp.cmp(tmp_path / "a", tmp_path / "b", shallow=False)
    first, other = (labelled_dataset.read_dataset(tmp_path / name) for name in "ac")
    assert not np.array_equal(first.patterns, other.patterns)


def test_random_bodies_beside_other_samples_are_the_same_from_two_processes(
    simulate, tmp_path
):
    bodies = "random_bodies={count: 2, seed: 7, radius_angstrom: [30, 60]}"
    for name, processes in (("a", 1), ("b", 2)):
        words = ("--per-class", 30, "--processes", processes, "--set", bodies)
        done = simulate(tmp_path / name, *words)
        assert (done.returncode, done.stderr) == (0, "")

    assert filecmp.cmp(tmp_path / "a", tmp_path / "b", shallow=False)
    names = labelled_dataset.read_dataset(tmp_path / "a").names
    procedural = ["procedural-1-0", "procedural-1-1"]
    assert list(names[::120]) == [*procedural, "body-7-000", "body-7-001"]


def test_values_set_by_hand_replace_those_of_the_file(simulate, tmp_path):
    words = ["--set", "detector.rows=48", "--set", "fractions={no-hit: 1}"]

    assert simulate(tmp_path / "r.h5", "-n", 5, *words).returncode == 0

    found = labelled_dataset.read_dataset(tmp_path / "r.h5")
    assert found.patterns.shape == (5, 48, 32)
    assert set(found.labels) == {"no-hit"}


def test_a_killed_simulation_goes_on_and_ends_as_if_nothing_had_happened(
    long, simulate, tmp_path
):
    path, words = tmp_path / "r.h5", ["-n", LONG, "--processes", 2]
    process = simulate(path, *words, start=True, stdout=-1, stderr=-1)
    wait_for_shots(path, 64)

    process.kill()
    process.communicate(timeout=30)

    there = written(path)
    assert 64 <= there < LONG
    assert len(labelled_dataset.read_dataset(path).patterns) >= there
    assert simulate(path, *words).returncode == 0
    assert content(path) == content(long)
    assert os.listdir(tmp_path) == ["r.h5"]


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGTERM), (2, signal.SIGINT)]
)
def test_an_interrupted_simulation_says_so_and_goes_on(
    long, simulate, tmp_path, processes, number
):
    words = ["r.h5", "-n", LONG, "--processes", processes]
    options = {"cwd": tmp_path, "start_new_session": True}
    process = simulate(*words, start=True, stdout=-1, stderr=-1, **options)
    wait_for_shots(tmp_path / "r.h5", 64)

    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as from a terminal
    else:
        process.send_signal(number)
    said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said[0].endswith("interrupted; the same command goes on with r.h5\n")
    assert said[1] == ""
    with h5py.File(tmp_path / "r.h5") as file:
        assert not file.attrs["complete"]
    assert simulate(*words, cwd=tmp_path).returncode == 0
    assert content(tmp_path / "r.h5") == content(long)


@pytest.mark.mpi
@pytest.mark.slow
def test_an_interrupted_job_of_ranks_goes_on_as_one_process(long, simulate, tmp_path):
    path = tmp_path / "r.h5"
    job = simulate(path, "-n", LONG, ranks=3, start=True, stdout=-1, stderr=-1)
    wait_for_shots(path, 64)

    job.send_signal(signal.SIGINT)
    job.communicate(timeout=30)

    assert job.returncode != 0
    assert written(path) < LONG
    assert simulate(path, "-n", LONG, "--processes", 2).returncode == 0
    assert content(path) == content(long)


def assert_told_once(done, *words):
    """One line on stderr, with these words in it."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(("specklenn: error: ", "specklenn: warning: "))
    for word in words:
        assert word in lines[0]


FULL_DISK = """
disk=$1 copy=$2; shift 2
mount -t tmpfs -o size=1300k none "$disk" || exit 77
"$@"; code=$?
cp "$disk"/* "$copy"
exit $code
"""


def test_a_run_goes_on_after_a_full_disk(alone, simulate, tmp_path):
    disk, path = tmp_path / "disk", tmp_path / "r.h5"
    disk.mkdir()
    unshare = ["unshare", "-rm", "sh", "-c", FULL_DISK, "sh", str(disk), str(tmp_path)]
    try:
        done = simulate(disk / "r.h5", "-n", SHOTS, launcher=unshare)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip("users may not mount here")

    assert done.returncode == 1
    assert_told_once(done, f"{disk}/r.h5", "no space left on the device")
    assert "r.h5 is incomplete; the same command goes on" in done.stdout
    with labelled_dataset.open_file(path) as file:
        assert not file.attrs["complete"]
    assert 64 <= written(path) < SHOTS
    assert simulate(path, "-n", SHOTS).returncode == 0
    assert content(path) == content(alone)


def limit(size):
    """Return what keeps a process from writing files larger than this."""

    def before():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return before


def test_a_file_that_may_grow_no_further_ends_the_run_with_one_sentence(
    simulate, tmp_path
):
    words = ["-n", SHOTS, "--processes", 2]

    done = simulate(tmp_path / "r.h5", *words, preexec_fn=limit(1_300_000))

    assert done.returncode == 1
    assert_told_once(done, "r.h5: cannot be written: file too large")


def test_a_disk_that_is_full_before_the_start_keeps_the_file_that_is_there(
    simulate, tmp_path
):
    path = tmp_path / "r.h5"
    simulate(path, "-n", 2, "--seed", 5)
    before = path.read_bytes()

    done = simulate(path, "-n", 3, preexec_fn=limit(100_000))

    assert done.returncode == 1
    assert_told_once(done, "r.h5: cannot be written: file too large")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "name"), [(["--preview"], "r.png"), (["--preview", "a.png"], "a.png")]
)
def test_a_preview_is_drawn_beside_the_file_or_where_one_says(
    simulate, tmp_path, words, name
):
    done = simulate("r.h5", "-n", 20, *words, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"drawn into {name}" in done.stdout
    assert sorted(os.listdir(tmp_path)) == sorted(["r.h5", name])
    assert (tmp_path / name).read_bytes().startswith(PNG)


def test_a_live_run_grows_under_the_eyes_of_readers(simulate, tmp_path):
    path = tmp_path / "r.h5"
    words = ["-n", 30, "--live", 20]
    process = simulate(path, *words, start=True, stdout=-1, stderr=-1)
    wait_for_shots(path, 1)
    early = labelled_dataset.read_dataset(path)

    said = process.communicate(timeout=60)

    assert (process.returncode, said[1]) == (0, "")
    whole = labelled_dataset.read_dataset(path)
    seen = len(early.timestamps_ns)
    assert 1 <= seen < 30
    np.testing.assert_array_equal(early.patterns, whole.patterns[: len(early.patterns)])
    with h5py.File(path) as file:
        assert file.attrs["complete"]


def test_live_shots_are_an_exact_period_apart_and_lost_ones_are_told(
    simulate, tmp_path
):
    before_ns = time.time_ns()

    done = simulate(tmp_path / "r.h5", "-n", 50, "--live", 80)

    assert done.returncode == 0, done.stderr
    times = labelled_dataset.read_dataset(tmp_path / "r.h5").timestamps_ns.astype(
        np.int64
    )
    lost = 50 - len(times)
    assert (np.diff(times) % 12_500_000 == 0).all()
    assert before_ns < times[0] < times[-1] < time.time_ns()
    assert (np.diff(times).sum() // 12_500_000) == 49 - (0 if lost == 0 else lost)
    assert f"{len(times)} shots written" in done.stdout
    assert ("missed" in done.stdout) == (lost > 0)


def test_an_interrupted_live_run_is_not_said_to_go_on(simulate, tmp_path):
    words = ["r.h5", "-n", 1000, "--live", 20]
    process = simulate(*words, start=True, stdout=-1, stderr=-1, cwd=tmp_path)
    wait_for_shots(tmp_path / "r.h5", 1)

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said == ("interrupted; the same command begins r.h5 anew\n", "")
    with h5py.File(tmp_path / "r.h5") as file:
        assert not file.attrs["complete"]


@pytest.mark.mpi
def test_a_live_run_of_several_ranks_is_refused(simulate, tmp_path):
    done = simulate(tmp_path / "r.h5", "-n", 3, "--live", 5, ranks=2)

    assert done.returncode == 2
    assert done.stderr.count("--live: 2 ranks found, one process expected") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "detector.rws=3"], ["--set: detector.rws: unknown key (found 3)"]),
        (["--set", "fluence=-1"], ["--set: fluence: -1 found, expected greater than"]),
        (["--preview", "no/a.png"], ["--preview no/a.png: its folder does not exist"]),
        (["-o", "no/r.h5"], ["--output no/r.h5: its folder does not exist"]),
        (["--live", "inf"], ["--live inf: a rate above 0 expected"]),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(
    simulate, tmp_path, words, said
):
    done = simulate("r.h5", "-n", 3, *words, cwd=tmp_path)

    assert done.returncode == 2
    assert_told_once(done, *said)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, ["x.pdb: no such file, a PDB, mmCIF or npz file expected"]),
        (HEADER, ["x.pdb: no atoms"]),
        (f"{ATOM}           X\nEND\n", ["atom C of ALA 1 in chain A", "'X'"]),
    ],
)
def test_a_structure_that_cannot_be_used_is_named_with_the_config(
    command, tmp_path, text, said
):
    (tmp_path / "e.yaml").write_text("structures: [x.pdb]\n")
    if text is not None:
        (tmp_path / "x.pdb").write_text(text)

    done = command("simulate", "e.yaml", "-o", "r.h5", "-n", 3, cwd=tmp_path)

    assert done.returncode == 2
    assert_told_once(done, f"e.yaml: {tmp_path}/x.pdb: ", *said)
    assert not (tmp_path / "r.h5").exists()


def test_an_empty_folder_of_structures_is_named_with_the_config(command, tmp_path):
    (tmp_path / "pdbs").mkdir()
    (tmp_path / "e.yaml").write_text("structures: [pdbs]\n")

    done = command("simulate", "e.yaml", "-o", "r.h5", "--per-class", 3, cwd=tmp_path)

    assert done.returncode == 2
    assert_told_once(done, f"e.yaml: {tmp_path}/pdbs: no structure files")


@pytest.mark.parametrize("number", ["0", "many"])
def test_a_number_of_shots_is_one_or_more(simulate, tmp_path, number):
    done = simulate(tmp_path / "r.h5", f"--number={number}")

    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert f"--number: '{number}' found, 1 or more expected" in last


def test_a_particle_too_large_for_the_detector_is_warned_of_and_still_made(
    simulate, tmp_path
):
    places = np.array([[0, 0, 12_000], [0, 0, -12_000]])
    numbers = np.array([6, 6])
    np.savez(tmp_path / "rod.npz", xyz_centi_angstrom=places, z=numbers)
    words = ["--set", "structures=[rod.npz]"]  # from here, not from the config

    done = simulate(tmp_path / "r.h5", "-n", 3, *words, cwd=tmp_path)

    assert done.returncode == 0
    # The sampled radius is wavelength * distance / (4 pixels).
    sampled = 12398.4198 / 1660 * 0.1 / (4 * 2.4e-3)
    assert_told_once(done, "rod: radius 120 angstrom", f"of up to {sampled:.0f}")
    assert len(labelled_dataset.read_dataset(tmp_path / "r.h5").patterns) == 3


def a_labelled_dataset(path):
    write_dataset(path, np.zeros((2, 4, 4)), labels=["a", "b"])


def a_text(path):
    path.write_text("my only copy")


@pytest.mark.parametrize("make", [a_labelled_dataset, a_text])
def test_a_file_of_another_kind_is_left_untouched(simulate, tmp_path, make):
    make(tmp_path / "r.h5")
    before = (tmp_path / "r.h5").read_bytes()

    done = simulate(tmp_path / "r.h5", "-n", 3)

    assert done.returncode == 1
    assert_told_once(done, "r.h5", "it is not replaced, choose another name")
    assert (tmp_path / "r.h5").read_bytes() == before
    assert len(os.listdir(tmp_path)) == 1
