"""simulate, train and evaluate, as a user strings them together."""

import importlib.resources
import sys

import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.data.labelled_dataset import read_dataset
from specklenn.core.network import checkpoint
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.training.train_config import TrainingRun
from specklenn.plugin.commands import evaluate, simulate, train

EXPERIMENT = """
detector: {rows: 48, columns: 48, pixel_size_m: 1.3e-3}
procedural: {count: 2, seed: 1, atoms: [2000, 3000]}
fractions: {single-hit: 1, multi-hit: 1}
fluence: 3
"""

TRAINING = """
name: tiny
data: [run.h5]
validation: run.h5
validate_every: 2
validation_patterns: 8
output: weights/tiny.safetensors
note: two particles
training:
  classes: [single-hit, multi-hit]
  preprocess: {crop: 32, bin: 2}
  exposure: null
  embedding_size: 8
  steps: 4
  samples_per_step: 2
  patterns_per_class: 4
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain")
    (path / "experiment.yaml").write_text(EXPERIMENT)
    (path / "train.yaml").write_text(TRAINING)
    arguments = [path / "experiment.yaml", "-o", path / "run.h5", "--per-class", 10]
    assert simulate.main([str(word) for word in arguments]) == 0
    return path


@pytest.fixture(scope="module")
def trained(folder):
    assert train.main([str(folder / "train.yaml")]) == 0
    return folder


def test_per_class_writes_as_many_shots_of_every_class_of_every_sample(folder):
    run = read_dataset(folder / "run.h5")

    pairs, counts = np.unique(np.char.add(run.names, run.labels), return_counts=True)
    assert len(pairs) == 4
    assert set(counts) == {10}
    assert run.patterns.dtype == np.float32
    assert run.mask is not None
    assert run.mask.any()


def test_number_writes_that_many_shots_and_the_seed_changes_them(folder, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        words = [str(folder / "experiment.yaml"), "-n", "5", "--seed", seed]
        simulate.main([*words, "-o", str(tmp_path / name)])

    first, again, other = (read_dataset(tmp_path / name) for name in "abc")
    assert len(first.patterns) == 5
    np.testing.assert_array_equal(first.patterns, again.patterns)
    assert not np.array_equal(first.patterns, other.patterns)


def test_training_leaves_weights_with_a_card(trained):
    model = checkpoint.load(trained / "weights" / "tiny.safetensors")

    assert model.card.name == "tiny"
    assert model.card.data == "two particles"
    assert 0 <= model.card.scores["validation"]["five_shot_accuracy"] <= 1
    assert model.preprocessing.crop == 32


def test_a_finished_training_has_nothing_left_to_do(trained):
    weights = trained / "weights" / "tiny.safetensors"
    before = weights.read_bytes()

    assert train.main([str(trained / "train.yaml")]) == 0

    assert weights.read_bytes() == before


FEW_SHOT = """
  network: compact-3
  preprocess: {crop: 32, bin: 2, standardise: false}
  episodes: {per_step: 1, patterns_per_class: 3}
"""


def test_a_compact_model_is_trained_on_episodes_and_evaluated(folder, tmp_path, capsys):
    text = (folder / "train.yaml").read_text()
    text = text.replace("run.h5", str(folder / "run.h5"))
    text = text.replace("  preprocess: {crop: 32, bin: 2}\n", "")
    text = text.replace("  samples_per_step: 2\n  patterns_per_class: 4\n", FEW_SHOT)
    (tmp_path / "few.yaml").write_text(text)

    assert train.main([str(tmp_path / "few.yaml")]) == 0

    assert "semi-hard" not in capsys.readouterr().out
    weights = str(tmp_path / "weights" / "tiny.safetensors")
    assert checkpoint.load(weights).encoder.architecture == "compact-3"
    words = [str(folder / "run.h5"), "--weights", weights, "--shots", "5"]
    rest = ["--classes", "single-hit,multi-hit", "--rule", "prototype"]
    assert evaluate.main([*words, *rest]) == 0
    assert "rule: prototype" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (simulate, ["x.yaml", "-o", "y", "-n", "0"]),
        (simulate, ["x.yaml", "-o", "y", "-n", "-3"]),
        (simulate, ["x.yaml", "-o", "y", "-n", "1.5"]),
        (simulate, ["x.yaml", "-o", "y", "-n", "3", "--processes", "0"]),
        (simulate, ["x.yaml", "-o", "y", "-n", "3", "--per-class", "3"]),
        (simulate, ["x.yaml", "-o", "y"]),
    ],
)
def test_wrong_usage_ends_with_2(command, words):
    with pytest.raises(SystemExit) as ended:
        command.main(words)

    assert ended.value.code == 2


@pytest.mark.parametrize("package", ["finufft", "gemmi", "matplotlib"])
def test_a_missing_package_is_named_before_anything_is_simulated(
    folder, tmp_path, capsys, monkeypatch, package
):
    monkeypatch.setitem(sys.modules, package, None)
    command = [str(folder / "experiment.yaml"), "-o", str(tmp_path / "r.h5")]

    assert simulate.main([*command, "-n", "3", "--preview"]) == 2

    told = capsys.readouterr().err
    assert f"needs {package}; install it with: pip install" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "3", "--live", "0"], "--live 0.0: a rate above 0 expected"),
        (["-n", "3", "--live", "nan"], "--live nan: a rate above 0 expected"),
        (["--per-class", "3", "--live", "5"], "--live: goes together with -n"),
        (["-n", "3", "--seed", "-1"], "seed: -1 found, expected greater than or"),
    ],
)
def test_a_simulation_that_cannot_work_ends_with_2_and_one_line(
    folder, tmp_path, capsys, words, said
):
    command = [str(folder / "experiment.yaml"), "-o", str(tmp_path / "r.h5")]

    assert simulate.main([*command, *words]) == 2

    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "model"), [("simulate", Experiment), ("train_offline", TrainingRun)]
)
def test_packaged_examples_are_valid(name, model):
    source = importlib.resources.files("specklenn.configs") / f"{name}.yaml"

    with importlib.resources.as_file(source) as path:
        validate(model, read_yaml(path))
