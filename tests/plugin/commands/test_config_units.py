"""A run in detector units: what is proposed makes a good run of it."""

import re
import shutil
import sys

import h5py
import numpy as np
import pytest
import yaml

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.plugin import cli

GAIN, OFFSET = 130.0, 37.0


@pytest.fixture
def specklenn(monkeypatch, tmp_path, capfd):
    """Call the command in an empty folder; returns its code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["specklenn", *map(str, words)])
        code = cli.main()
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def detector_run(run_folder, draw_shots, mask, tmp_path):
    """Write a run as a detector reads it; its supports are of it too."""
    folder = tmp_path / "detector"
    shutil.copytree(run_folder.path, folder, ignore=shutil.ignore_patterns("run.cxi"))
    random = np.random.default_rng(5)
    photons, names = draw_shots(200)
    values = photons + random.normal(0, 0.15, photons.shape)
    frames = (OFFSET + GAIN * values).astype(np.float32)
    write_dataset(folder / "run.cxi", frames, names, mask=mask)
    return folder / "run.yaml"


def labels_of(folder):
    with h5py.File(folder / "results.h5") as file:
        return file["rows"]["label"]


def proposal(told):
    """Return what a message says to write and to type."""
    lines = re.search(r"In the configuration: (.*\})", told).group(1)
    typed = told[told.index("or to try it: ") :].splitlines()[0].split()[4:]
    return yaml.safe_load(lines), typed


def test_a_run_in_detector_units_is_not_good_and_with_the_proposal_it_is(
    specklenn, detector_run
):
    code, out, told = specklenn("config", "check", detector_run)
    lines, typed = proposal(told)

    assert code == 2
    assert out.splitlines()[0].startswith(f"{detector_run}: not good: 200 shots")
    assert "specklenn: error: the values are not photons" in told
    assert lines["calibration"]["adu_per_photon"] == pytest.approx(GAIN, rel=0.03)
    assert lines["calibration"]["offset_adu"] == pytest.approx(OFFSET, abs=4)
    code, out, told = specklenn("config", "check", detector_run, *typed)
    assert (code, told) == (0, "")
    assert f"{detector_run}: good: 200 shots" in out
    document = yaml.safe_load(detector_run.read_text())
    detector_run.write_text(yaml.safe_dump({**document, **lines}))
    assert specklenn("config", "check", detector_run)[0] == 0


def test_with_the_proposal_the_run_classifies_as_in_photons(
    specklenn, detector_run, run_folder
):
    _, typed = proposal(specklenn("config", "check", detector_run)[2])
    quiet = ("--quiet", "--set")

    specklenn("run", run_folder.config, *quiet, "output.folder=photons")
    specklenn("run", detector_run, *quiet, "output.folder=raw")
    specklenn("run", detector_run, *typed, *quiet, "output.folder=calibrated")

    as_photons = labels_of(detector_run.parent.parent / "photons")[:200]
    calibrated = labels_of(detector_run.parent.parent / "calibrated")
    raw = labels_of(detector_run.parent.parent / "raw")
    assert (calibrated == as_photons).mean() > 0.97
    assert (raw == as_photons).mean() < 0.8


def test_a_run_that_starts_in_detector_units_says_so(specklenn, detector_run):
    code, _, told = specklenn("run", detector_run, "--quiet")

    assert code == 0
    assert "! the values are not photons with calibration.adu_per_photon 1" in told
    assert proposal(told)[0]["calibration"]["adu_per_photon"] == pytest.approx(
        GAIN, rel=0.1
    )


def test_a_run_in_photons_starts_without_a_word_of_units(specklenn, run_folder):
    _, _, told = specklenn(
        "run", run_folder.config, "--quiet", "--set", "output.folder=x"
    )

    assert "photons" not in told


def test_supports_that_are_in_photons_already_make_no_sense_with_raw_shots(
    specklenn, detector_run, draw_shots, mask
):
    frames, names = draw_shots(40)
    own = names != "no-hit"
    supports = detector_run.parent / "supports.h5"
    write_dataset(supports, frames[own], names[own], mask=mask)
    words = ("--set", f"support.file={supports}")

    _, typed = proposal(specklenn("config", "check", detector_run, *words)[2])
    code, out, told = specklenn("config", "check", detector_run, *words, *typed)

    assert code == 2
    assert ": not good: " in out
    assert "supports have" in told


@pytest.mark.parametrize("quadrant", range(4))
def test_the_threshold_follows_the_area(specklenn, run_folder, quadrant):
    words = ("--set", f"area.quadrant={quadrant}")

    _, out, _ = specklenn("config", "check", run_folder.config, *words)
    lines = {line[2:12].strip(): line for line in out.splitlines()}

    assert "24 lit pixels make a hit (100 of the whole crop" in lines["hits"]
    assert re.search(r"hits +192 of 2[45]\d ", lines["hits"])  # some see no photon


def test_a_run_says_in_its_log_what_makes_a_hit(specklenn, run_folder, tmp_path):
    specklenn(
        *("run", run_folder.config, "--quiet", "--set", "output.folder=out"),
        *("--set", "area.quadrant=1"),
    )

    log = (tmp_path / "out/run.log").read_text()
    assert "24 lit pixels make a hit (100 of the whole crop, of which 2" in log
