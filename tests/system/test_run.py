"""``specklenn run`` as a user starts it: real processes, real MPI, real files."""

import os
import shutil
import signal
import subprocess

import h5py
import numpy as np
import pytest

from specklenn.core.classify import Classifier
from specklenn.core.config.loading import load_config
from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.plugin import packaged_configs
from specklenn.plugin.startup import prepare_run


def results(folder):
    with h5py.File(folder / "results.h5") as file:
        return np.sort(file["rows"][()], order="index")


@pytest.fixture(scope="module")
def alone(run_folder, command, tmp_path_factory):
    """The run on one process: folder of its output and its process."""
    folder = tmp_path_factory.mktemp("alone")
    done = command("run", run_folder.config, "--set", f"output.folder={folder}")
    return folder, done


def test_a_run_on_one_process_ends_well_and_tells_what_it_did(alone, run_folder):
    folder, done = alone

    assert done.returncode == 0, done.stderr
    rows = results(folder)
    assert rows["index"].tolist() == list(range(run_folder.shots))
    assert "Truth (rows) and classification (columns)" in done.stdout
    assert f"{run_folder.shots} shots in" in done.stdout
    assert f"wrote {folder}/results.h5" in done.stdout
    assert (folder / "config.yaml").read_text().startswith("run:\n  experiment: test")
    assert "resolved configuration" in (folder / "run.log").read_text()


def test_the_configuration_in_its_folder_can_be_run_again_from_anywhere(
    alone, command, tmp_path
):
    folder, _ = alone
    done = command(
        "run", folder / "config.yaml", "--set", "output.folder=again", cwd=tmp_path
    )
    refused = command("run", "config.yaml", cwd=folder)

    assert done.returncode == 0, done.stderr
    ours, theirs = results(tmp_path / "again"), results(folder)
    for field in ("index", "label", "score"):
        np.testing.assert_array_equal(ours[field], theirs[field])
    assert refused.returncode == 2
    assert "holds results already; choose another folder or" in refused.stderr


def test_hits_are_the_frames_of_the_single_hits(alone, run_folder):
    folder, _ = alone
    rows = results(folder)

    hits = labelled_dataset.read_dataset(folder / "hits.cxi")

    with h5py.File(folder / "hits.cxi") as file:
        index = file["/entry_1/event_1/index"][()]
    with h5py.File(folder / "results.h5") as file:
        single = list(file.attrs["classes"]).index("single-hit")
    run = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    assert sorted(index) == rows["index"][rows["label"] == single].tolist()
    np.testing.assert_array_equal(hits.patterns, run.patterns[index])
    assert hits.patterns.dtype == np.uint16
    assert set(hits.labels) == {"single-hit"}


def test_python_says_of_every_frame_what_the_run_says(alone, run_folder):
    folder, _ = alone
    rows = results(folder)
    path = run_folder.path
    run = labelled_dataset.read_dataset(path / "run.cxi")
    mask = labelled_dataset.read_dataset(folder / "hits.cxi").mask
    loaded = Classifier.load(path / "w.safetensors", path / "support.yaml", mask)
    prepared = prepare_run(load_config(run_folder.config)).pipeline

    for found in (
        loaded.classify(run.patterns),
        prepared.classifier.classify(run.patterns, prepared.hit_finding),
    ):
        for name in ("flags", "lit_pixels", "photons"):
            np.testing.assert_array_equal(getattr(found, name), rows[name])
        np.testing.assert_array_equal(found.codes, rows["label"])
        best = found.scores.max(axis=1)
        np.testing.assert_allclose(best, rows["score"], atol=1e-5)
        np.testing.assert_allclose(found.distances, rows["distances"], atol=1e-5)
    assert {"single-hit", "no-hit"} <= set(found.labels)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_rows_are_the_same_on_any_number_of_ranks(
    alone, run_folder, command, tmp_path, ranks
):
    done = command(
        "run", run_folder.config, "--set", f"output.folder={tmp_path}/o", ranks=ranks
    )

    assert done.returncode == 0, done.stderr
    rows, expected = results(tmp_path / "o"), results(alone[0])
    for name in ("index", "label", "truth", "flags", "support_version", "lit_pixels"):
        np.testing.assert_array_equal(rows[name], expected[name])
    np.testing.assert_allclose(rows["distances"], expected["distances"], atol=1e-4)
    assert set(rows["rank"]) == set(range(1, ranks))


def bad_config(folder, tmp_path, **changes):
    """The run's configuration with some lines replaced."""
    text = (folder / "run.yaml").read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / f"bad-{tmp_path.name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["source.path=missing.cxi"], "missing.cxi: no such file"),
        (["source.dataset=/no/data"], "no dataset /no/data; datasets found: /entry_1"),
        (["source.pth=x"], "source.pth: unknown key"),
        (["model.weights=nosuch"], "no packaged model 'nosuch'"),
        (["support.file=missing.yaml"], "missing.yaml: cannot be read"),
        (["preprocess.crop=64"], "the network 'untrained' takes 48"),
        (["preprocess.crop=128", "preprocess.bin=2"], "do not fit into 100 rows"),
        (["output.folder=/proc/none"], "/proc/none cannot be written"),
        (["calibration.mask_file=missing.h5"], "missing.h5: no such file"),
        (["source.first_shot=600"], "the run has 600"),
        (["source.kind=nosuch"], "source.kind: 'nosuch' found, expected "),
        (["model.device=cuda:7"], "PyTorch sees no GPU"),
    ],
)
def test_a_run_that_cannot_work_is_refused_before_it_starts(
    run_folder, command, tmp_path, settings, words
):
    sets = [word for setting in settings for word in ("--set", setting)]
    folder = ["--set", f"output.folder={tmp_path}/o"]

    done = command("run", run_folder.config, *folder, *sets)

    assert done.returncode == 2
    assert words in done.stderr
    assert all(
        line.startswith("specklenn: error: ") for line in done.stderr.splitlines()
    )
    assert not (tmp_path / "o").exists()


def test_all_problems_of_files_supports_and_weights_are_told_at_once(
    run_folder, command, tmp_path
):
    (run_folder.path / "bad_support.yaml").write_text(
        "classes:\n  a:\n    - {file: run.cxi, events: [1, 600]}\n  b: []\n"
    )
    weights = tmp_path / "w.safetensors"
    shutil.copy(run_folder.path / "w.safetensors", weights)
    shutil.copy(run_folder.path / "w.card.json", tmp_path / "w.card.json")
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")

    done = command(
        "run",
        run_folder.config,
        "--set",
        "source.path=missing.cxi",
        "--set",
        f"support.file={run_folder.path}/bad_support.yaml",
        "--set",
        f"model.weights={weights}",
    )

    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert "missing.cxi: no such file" in lines[0]
    assert "bad_support.yaml:3: " in lines[1]
    assert "events [600] do not exist" in lines[1]
    assert "bad_support.yaml:4: class 'b' has no support" in lines[2]
    assert "SHA-256" in lines[3]


@pytest.mark.mpi
def test_under_mpirun_a_problem_is_told_once_and_all_ranks_end(run_folder, command):
    done = command("run", run_folder.config, "--set", "source.path=no.cxi", ranks=3)

    assert done.returncode == 2
    assert done.stderr.count("no.cxi: no such file") == 1


def test_a_truncated_file_is_refused(run_folder, command, tmp_path):
    content = (run_folder.path / "run.cxi").read_bytes()
    (tmp_path / "cut.cxi").write_bytes(content[:-5000])

    done = command("run", run_folder.config, "--set", f"source.path={tmp_path}/cut.cxi")

    assert done.returncode == 2
    assert "truncated HDF5 file" in done.stderr


def test_shots_that_cannot_be_judged_are_counted_and_none_is_lost(
    run_folder, command, draw_shots, tmp_path
):
    frames, names = draw_shots(40)
    frames = frames.astype(np.float32)
    frames[3] = np.nan
    frames[5] = 0
    frames[6] = 7
    frames[7] = -1e30
    frames[9] = 3e38
    write_dataset(tmp_path / "a.cxi", frames[:20], names[:20])
    write_dataset(tmp_path / "b.cxi", np.ones((2, 50, 50)), ["single-hit"] * 2)
    write_dataset(tmp_path / "c.cxi", frames[20:], names[20:])
    paths = [f"{tmp_path}/{name}.cxi" for name in "abc"]

    done = command(
        "run",
        run_folder.config,
        "--set",
        f"source.path={paths}",
        "--set",
        f"output.folder={tmp_path}/o",
    )

    assert done.returncode == 0, done.stderr
    rows = results(tmp_path / "o")
    assert rows["index"].tolist() == list(range(42))
    skipped = np.flatnonzero(rows["label"] == -1)
    assert skipped.tolist() == [3, 5, 6, 7, 9, 20, 21]
    assert "skipped: NaN or absurd pixels" in done.stdout
    assert "skipped: wrong shape" in done.stdout


def test_a_mask_that_hides_everything_is_refused_before_beam(
    run_folder, command, draw_shots, tmp_path
):
    frames, names = draw_shots(8)
    whole = np.ones(frames.shape[1:], bool)
    write_dataset(tmp_path / "a.cxi", frames, names, mask=whole)

    done = command("run", run_folder.config, "--set", f"source.path={tmp_path}/a.cxi")

    assert done.returncode == 2
    assert "all masked" in done.stderr


def test_a_part_of_a_run_keeps_its_shot_numbers(run_folder, command, tmp_path):
    words = [
        "source.first_shot=100",
        "source.last_shot=130",
        f"output.folder={tmp_path}",
    ]
    sets = [word for setting in words for word in ("--set", setting)]

    done = command("run", run_folder.config, *sets)

    assert done.returncode == 0, done.stderr
    assert results(tmp_path)["index"].tolist() == list(range(100, 130))


def test_results_are_not_replaced_unless_asked(alone, run_folder, command):
    folder, _ = alone

    refused = command("run", run_folder.config, "--set", f"output.folder={folder}")
    allowed = command(
        "run",
        run_folder.config,
        "--set",
        f"output.folder={folder}",
        "--set",
        "output.overwrite=true",
    )

    assert refused.returncode == 2
    assert "holds results already" in refused.stderr
    assert allowed.returncode == 0


LIVE = (
    "run: {experiment: live}\n"
    "source:\n"
    "  kind: simulated\n"
    "  rate_Hz: 60\n"
    "  duration_s: 60\n"
    "  experiment:\n"
    "    procedural: {count: 1, seed: 5, atoms: [10000, 12000]}\n"
    "    fractions: {no-hit: 0.5, single-hit: 0.5}\n"
    "    pool: 4\n"
    "publish: {enabled: false}\n"
)


def live_config(run_folder):
    return (
        LIVE
        + f"support: {{file: {packaged_configs.folder()}/support/demo.yaml}}\n"
        + f"model: {{weights: {run_folder.path}/w.safetensors}}\n"
    )


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_every_row_it_counted(
    run_folder, command, tmp_path, ranks, number, wait_for_rows
):
    (tmp_path / "live.yaml").write_text(live_config(run_folder))
    process = command(
        "run",
        tmp_path / "live.yaml",
        "--set",
        f"output.folder={tmp_path}/o",
        ranks=ranks,
        start=True,
        stdout=-1,
        stderr=-1,
    )
    wait_for_rows(tmp_path / "o/results.h5", 30)

    process.send_signal(number)
    process.communicate(timeout=30)

    rows = results(tmp_path / "o")
    assert len(rows) >= 30
    assert len(np.unique(rows["index"])) == len(rows)
    assert process.returncode != 0
    if ranks is None:
        assert process.returncode == 130


@pytest.mark.mpi
def test_a_killed_worker_ends_the_job_and_leaves_readable_results(
    run_folder, command, tmp_path, wait_for_rows
):
    (tmp_path / "live.yaml").write_text(live_config(run_folder))
    process = command(
        "run",
        tmp_path / "live.yaml",
        "--set",
        f"output.folder={tmp_path}/o",
        ranks=3,
        start=True,
        stdout=-1,
        stderr=-1,
    )
    wait_for_rows(tmp_path / "o/results.h5", 60)
    workers = [
        int(pid)
        for pid in subprocess.run(
            ["pgrep", "-f", f"specklenn run {tmp_path}"], capture_output=True, text=True
        ).stdout.split()
        if int(pid) != process.pid
    ]

    os.kill(workers[-1], signal.SIGKILL)
    process.communicate(timeout=30)

    with h5py.File(tmp_path / "o/results.h5", "r", swmr=True) as file:
        index = file["rows"]["index"]
    assert process.returncode != 0
    assert len(index) >= 60
    assert len(np.unique(index)) == len(index)
