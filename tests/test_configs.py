"""Every packaged YAML loads as what it claims to be."""

from pathlib import Path

import numpy as np
import pytest

from specklenn.core.config.loading import load_config, resolved_yaml
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.network import checkpoint
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.simulation.beam import Beam
from specklenn.core.simulation.debris import Debris
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.noise import Noise
from specklenn.core.simulation.simulator import PooledSimulator
from specklenn.core.support import load_supports
from specklenn.core.training.train_config import TrainingRun
from specklenn.plugin import packaged_configs
from specklenn.plugin.sources.simulated import SimulatedSettings

RUNS = (
    "demo",
    "cxi",
    "om",
    "lcls2",
    "lcls2_shmem",
    "euxfel",
    "euxfel_run",
    "lclstreamer",
)
PARTS = ("train_default", *(f"train_default_{part}" for part in range(2, 6)))
TRAININGS = ("train_offline", *PARTS, "train_paper")
EXPERIMENTS = ("simulate", "simulate_virus", "simulate_modules")


def test_no_packaged_configuration_is_left_out():
    assert set(packaged_configs.names()) == {*RUNS, *EXPERIMENTS, *TRAININGS, "adapt"}


@pytest.mark.parametrize("name", RUNS)
def test_packaged_runs_load(name):
    load_config(packaged_configs.find_config(name))


@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_saves_of_its_configuration_means_the_same_anywhere(
    name, tmp_path, monkeypatch
):
    for folder in ("begun", "saved", "later"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "begun")
    given = ["calibration.mask_file=mask.h5", "model.weights=w.safetensors"]
    settings = load_config(packaged_configs.find_config(name), given).settings
    (tmp_path / "saved/config.yaml").write_text(resolved_yaml(settings))

    monkeypatch.chdir(tmp_path / "later")
    again = load_config(Path("../saved/config.yaml")).settings

    assert again.model_dump() == settings.model_dump()
    assert again.calibration.mask_file == tmp_path / "begun/mask.h5"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_packaged_experiments_load(name):
    validate(Experiment, read_yaml(packaged_configs.find_config(name)))


def test_the_commented_experiment_shows_every_key():
    document = read_yaml(packaged_configs.find_config("simulate"))
    gaussian = {"focus_fwhm_m", "stream_radius_m"}
    modular = {"binning", "modules", "positions", "hole_radius_m", "dead_modules"}

    def missing(model, shown):
        return set(model.model_fields) - set(shown)

    assert missing(Experiment, document.data) == set()
    assert missing(Noise, document.data["noise"]) == set()
    assert missing(Debris, document.data["debris"]) == set()
    assert missing(Beam, document.data["beam"]) == gaussian
    assert missing(Detector, document.data["detector"]) == modular


@pytest.mark.parametrize("name", TRAININGS)
def test_packaged_trainings_load(name):
    validate(TrainingRun, read_yaml(packaged_configs.find_config(name)))


def test_the_packaged_adaptation_loads():
    validate(Adaptation, read_yaml(packaged_configs.find_config("adapt")))


def test_the_demos_supports_are_shots_of_its_own_experiment_behind_its_end():
    """Drawn anew here; the file is rounded to 1/32 photon."""
    source = load_config(packaged_configs.find_config("demo")).settings.source
    assert isinstance(source, SimulatedSettings)
    supports = load_supports(packaged_configs.folder() / "support/demo.yaml")
    simulator = PooledSimulator(source.experiment)
    drawn = simulator.shots(np.arange(1_000_000, 1_000_400))

    for name in supports.classes:
        mine = supports.frames[supports.labels == name]
        theirs = drawn.patterns[drawn.labels == name][: len(mine)]
        np.testing.assert_allclose(mine, theirs, atol=1 / 64 + 1e-3)
    assert source.expected_shots < 1_000_000
    assert checkpoint.load("default").preprocessing.crop <= min(supports.shape)


@pytest.mark.parametrize(
    "path",
    sorted((packaged_configs.folder().parent / "examples/release").glob("*.yaml")),
    ids=lambda path: path.stem,
)
def test_the_experiments_behind_the_packaged_model_load(path):
    validate(Experiment, read_yaml(path))
