"""Runs with a part of the detector, as a user starts them."""

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.flags import Flag


def results(folder):
    with h5py.File(folder / "results.h5") as file:
        return np.sort(file["rows"][()], order="index")


def test_a_run_with_a_quadrant_classifies_with_its_pixels_alone(
    run_folder, command, tmp_path
):
    done = command(
        "run",
        run_folder.config,
        "--set",
        "area.quadrant=0",
        "--set",
        f"output.folder={tmp_path}/o",
    )

    assert done.returncode == 0, done.stderr
    rows = results(tmp_path / "o")
    judged = rows[rows["flags"] & Flag.EMPTY.bits == 0]
    assert len(judged) > 500
    assert np.mean(judged["label"] == judged["truth"]) > 0.9
    run = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    seen = run.patterns[:, 2:48, 2:50].sum(axis=(1, 2))
    np.testing.assert_array_equal(rows["photons"], seen)
    mask = labelled_dataset.read_dataset(tmp_path / "o/hits.cxi").mask
    assert not mask[:48, :50].any()
    assert mask[48:].all()
    assert mask[:, 50:].all()


@pytest.fixture(scope="module")
def dead_run(run_folder, tmp_path_factory):
    """The same run on two modules of 50 rows, without light in the second."""
    folder = tmp_path_factory.mktemp("dead")
    run = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    frames = run.patterns.copy()
    frames[:, 50:] = 0
    write_dataset(folder / "run.cxi", frames, run.labels)
    with h5py.File(folder / "run.cxi", "r+") as file:
        del file[labelled_dataset.DATA]
        file[labelled_dataset.DATA] = frames.reshape(-1, 2, 50, 100)
    return folder


@pytest.mark.mpi
def test_every_rank_leaves_out_a_dead_module_and_the_run_tells_it(
    dead_run, run_folder, command, tmp_path
):
    data = ["--set", f"source.path={dead_run}/run.cxi"]
    for name, ranks in (("one", None), ("three", 3)):
        folder = ["--set", f"output.folder={tmp_path}/{name}"]
        done = command("run", run_folder.config, *data, *folder, ranks=ranks)
        assert done.returncode == 0, done.stderr
        assert "! module 1 gives no signal on 5000 pixels" in done.stdout
        assert "WARNING" in (tmp_path / name / "run.log").read_text()

    one, three = results(tmp_path / "one"), results(tmp_path / "three")
    np.testing.assert_array_equal(one["photons"], three["photons"])
    np.testing.assert_allclose(one["distances"], three["distances"], atol=1e-4)
    assert labelled_dataset.read_dataset(tmp_path / "three/hits.cxi").mask[50:].all()


def test_the_check_of_a_configuration_tells_a_dead_module(
    dead_run, run_folder, command
):
    done = command(
        "config",
        "check",
        run_folder.config,
        "--set",
        f"source.path={dead_run}/run.cxi",
    )

    assert done.returncode == 0, done.stderr
    assert "! module 1 gives no signal on 5000 pixels" in done.stdout


def test_an_area_outside_the_detector_is_refused_before_the_start(
    run_folder, command, tmp_path
):
    folder = ["--set", f"output.folder={tmp_path}/o"]

    done = command("run", run_folder.config, "--set", "area.modules=[1]", *folder)

    assert done.returncode == 2
    assert (
        "specklenn: error: --set: area.modules: 1 found, expected 0 to 0, the numbers "
        "of the modules in the data" in done.stderr
    )
    assert not (tmp_path / "o").exists()
