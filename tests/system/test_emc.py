"""Hits for Dragonfly: at the end of a run, by hand, and after a killed one."""

import shutil
import signal
import time

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.plugin import packaged_configs

LIVE = """\
source:
  kind: simulated
  rate_Hz: 60
  duration_s: 300
  experiment:
    procedural: {{count: 1, seed: 5, atoms: [10000, 12000]}}
    fractions: {{single-hit: 1.0}}
    pool: 4
publish: {{enabled: false}}
support: {{file: {support}/demo.yaml}}
model: {{weights: {weights}}}
output: {{folder: o, save_classes: [single-hit, multi-hit, non-sample-hit]}}
"""


@pytest.fixture(scope="module")
def finished(run_folder, command, tmp_path_factory):
    """A run that made its hits.emc, with all hits in hits.cxi: folder and process."""
    folder = tmp_path_factory.mktemp("emc")
    done = command(
        "run",
        run_folder.config,
        *("--set", f"output.folder={folder}"),
        *("--set", "output.emc=true"),
        *("--set", "output.save_classes=[single-hit, multi-hit]"),
    )
    return folder, done


def test_a_run_makes_hits_emc_of_its_single_hits(finished, run_folder, read_emc):
    folder, done = finished

    assert done.returncode == 0, done.stderr
    assert f"wrote {folder}/hits.emc" in done.stdout
    run = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    with h5py.File(folder / "hits.cxi") as file:
        index = file["/entry_1/event_1/index"][()]
        single = file[labelled_dataset.LABEL].asstr()[:] == "single-hit"
    assert 0 < single.sum() < len(single)
    expected = np.where(run.mask, 0, run.patterns[index[single]])
    np.testing.assert_array_equal(
        read_emc(folder / "hits.emc"), expected.reshape(len(expected), -1)
    )


def test_the_command_makes_the_same_file(finished, command, tmp_path):
    folder, _ = finished

    done = command("emc", folder / "hits.cxi", "-o", tmp_path / "again.emc")

    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path}/again.emc: " in done.stdout
    assert "frames of 10000 pixels" in done.stdout
    content = (tmp_path / "again.emc").read_bytes()
    assert content == (folder / "hits.emc").read_bytes()


def test_without_a_name_the_file_lies_beside_the_hits(
    finished, command, tmp_path, read_emc
):
    shutil.copy(finished[0] / "hits.cxi", tmp_path)

    command("emc", "hits.cxi", "--classes", "multi-hit", cwd=tmp_path)

    assert len(read_emc(tmp_path / "hits.emc")) > 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["missing.cxi"], 1, "missing.cxi: no such file"),
        (["hits.cxi", "-o", "hits.cxi"], 1, "hits.cxi: is the dataset itself"),
        (["hits.cxi", "--classes", "cat"], 1, "no cat among "),
        (["hits.emc", "-o", "a.emc"], 1, "hits.emc: not an HDF5 file"),
        ([], 2, "the following arguments are required: data"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    finished, command, words, code, says
):
    done = command("emc", *words, cwd=finished[0])

    assert done.returncode == code
    assert says in done.stderr


def test_a_hit_with_a_bad_pixel_is_left_out_and_the_run_is_done(
    run_folder, command, tmp_path, read_emc
):
    run = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    frames = run.patterns[:20].astype(np.float32)
    frames[8, 60, 60] = np.nan
    write_dataset(tmp_path / "nan.cxi", frames, mask=run.mask)
    done = command(
        "run",
        run_folder.config,
        *("--set", f"source.path={tmp_path}/nan.cxi"),
        *("--set", f"output.folder={tmp_path}/o"),
        *("--set", "output.emc=true"),
    )
    again = command("emc", "o/hits.cxi", "-o", "again.emc", cwd=tmp_path)

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    for printed in (done.stdout, again.stdout):
        assert "! 1 of 5 frames left out; the first: " in printed
    for name in ("o/hits.emc", "again.emc"):
        assert len(read_emc(tmp_path / name)) == 4


def test_a_run_without_single_hits_leaves_no_file(run_folder, command, tmp_path):
    (tmp_path / "hits.emc").write_text("of an earlier run")
    done = command(
        "run",
        run_folder.config,
        *("--set", f"output.folder={tmp_path}"),
        *("--set", "output.emc=true"),
        *("--set", "source.first_shot=3"),
        *("--set", "source.last_shot=4"),
    )

    assert done.returncode == 0, done.stderr
    assert "hits.emc" not in done.stdout
    assert not (tmp_path / "hits.emc").exists()


def hits_in(path):
    try:
        with h5py.File(path, "r", swmr=True) as file:
            return len(file["/entry_1/result_1/score"])
    except (OSError, KeyError):
        return 0


def test_the_hits_of_a_killed_run_can_still_be_had(
    run_folder, command, tmp_path, read_emc
):
    weights, support = (
        run_folder.path / "w.safetensors",
        packaged_configs.folder() / "support",
    )
    text = LIVE.format(weights=weights, support=support)
    (tmp_path / "live.yaml").write_text(text)
    process = command(
        "run", "live.yaml", start=True, cwd=tmp_path, stdout=-1, stderr=-1
    )
    try:
        deadline = time.monotonic() + 120
        while hits_in(tmp_path / "o/hits.cxi") < 30:
            assert time.monotonic() < deadline, "no hits came"
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)

    names = "single-hit,multi-hit,non-sample-hit"
    done = command("emc", "o/hits.cxi", "--classes", names, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "o/hits.cxi", "r", swmr=True) as file:
        frames = file[labelled_dataset.DATA][:30]
        bad = file[labelled_dataset.MASK][()].astype(bool)
    expected = np.where(bad, 0, np.maximum(np.rint(frames), 0)).reshape(30, -1)
    np.testing.assert_array_equal(read_emc(tmp_path / "o/hits.emc")[:30], expected)
