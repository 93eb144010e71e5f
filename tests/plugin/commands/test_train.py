"""``specklenn train`` in this process; across processes: tests/system."""

import re

import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.network import checkpoint
from specklenn.plugin.commands import train as train_command
from specklenn.plugin.console import progress_bar

KINDS = ("single-hit", "multi-hit", "non-sample-hit")

TRAINING = """
data: [a.h5]
validation: [v.h5, {file: v.h5, classes: [single-hit, multi-hit+non-sample-hit]}]
validation_rule: nearest
validate_every: 2
output: out/m.safetensors
training:
  preprocess: {crop: 32, bin: 2}
  exposure: null
  embedding_size: 8
  steps: 4
  samples_per_step: 2
  patterns_per_class: 4
"""

ACCURACY = r"\(1: [01]\.\d\d\d, 5: [01]\.\d\d\d\)"
LINE = re.compile(
    rf"step [24]: loss \d\.\d{{4}}; semi-hard [01]\.\d\d; v {ACCURACY}; "
    rf"v-2 {ACCURACY}; "
    r"five-shot accuracy [01]\.\d\d\d(, best)?; \d+ patterns/s"
)


@pytest.fixture
def config(tmp_path):
    random = np.random.default_rng(0)
    patterns = random.poisson(3.0, (48, 40, 40)).astype(np.float32)
    labels, names = np.tile(np.repeat(KINDS, 8), 2), np.repeat(["s0", "s1"], 24)
    for name in ("a.h5", "v.h5"):
        write_dataset(tmp_path / name, patterns, labels=labels, names=names)
    (tmp_path / "t.yaml").write_text(TRAINING)
    return tmp_path / "t.yaml"


def train(config, *words):
    return train_command.main([str(config), *words])


def change(config, old, new):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_a_log_tells_the_loss_and_the_time_left_between_validations(
    config, capsys, monkeypatch
):
    monkeypatch.setattr(progress_bar, "PLAIN_INTERVAL_S", 0.0)
    change(config, "validate_every: 2", "validate_every: 4")

    train(config)

    told = capsys.readouterr().out
    done, goes = r"training: 3/4, [\d.]+ steps/s", r"loss \d\.\d{4}, semi-hard [01]\."
    assert re.search(rf"{done}, 0:00:\d\d left, {goes}", told)
    assert told.index("training: 3/4") < told.index("step 4:")


def test_every_validation_is_told_in_a_line_and_the_speeds_at_the_end(config, capsys):
    assert train(config) == 0

    told = capsys.readouterr().out.splitlines()
    assert len([line for line in told if LINE.fullmatch(line.rstrip())]) == 2
    speeds = r"\d+ patterns/s in all; the network alone \d+, drawing alone \d+"
    assert any(re.fullmatch(speeds, line) for line in told)


def test_the_end_says_what_was_written_and_what_to_do_with_it(config, capsys):
    train(config)
    first = capsys.readouterr().out.splitlines()

    assert train(config) == 0

    weights = config.parent / "out" / "m.safetensors"
    step = checkpoint.load(weights).card.scores["step"]
    log = weights.with_suffix(".log.csv")
    assert (
        f"wrote {weights}: the weights after step {step}, the best at the validations"
        in first
    )
    assert f"wrote {log}" in first
    assert first[-1].endswith(f"specklenn evaluate shots.h5 --weights {weights}")
    again = capsys.readouterr().out.splitlines()
    assert again[0].startswith(f"{weights}: all ")
    assert "steps were done before; --restart starts anew" in again[0]
    assert first[-1] == again[-1]


def test_the_weights_say_by_which_rule_they_were_chosen(config):
    train(config)

    model = checkpoint.load(config.parent / "out" / "m.safetensors")

    assert model.rule == "nearest"
    assert model.card.scores["validation"]["rule"] == "nearest"
    by_shots = model.card.scores["validation"]["accuracy_by_shots"]
    assert set(by_shots) == {"v", "v-2"}


def test_a_state_of_other_settings_is_not_overwritten_unless_asked(config):
    train(config)
    change(config, "embedding_size: 8", "embedding_size: 16")

    with pytest.raises(DataError, match=r"embedding_size: 8 there, 16 .* --restart"):
        train(config)

    assert train(config, "--restart") == 0
    model = checkpoint.load(config.parent / "out" / "m.safetensors")
    assert model.encoder.embedding_size == 16


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "  exposure: null",
            "  exposure: null\n  classes: [single-hit, dimer]",
            "dimer",
        ),
        ("  exposure: null", "  exposure: null\n  classes: [single-hit]", "at least 2"),
        ("[a.h5]", "[missing.h5]", r"missing.h5: no such file"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused_before_anything_is_written(
    config, old, new, words
):
    change(config, old, new)

    with pytest.raises((DataError, ConfigError), match=words):
        train(config)

    assert not (config.parent / "out").exists()


def test_processes_are_not_started_beside_a_launchers_ranks(config, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2")

    with pytest.raises(ConfigError, match="launcher has started 2 ranks already"):
        train(config, "--processes", "2")


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_wrong_usage_ends_with_2(config, number):
    with pytest.raises(SystemExit) as ended:
        train(config, "--processes", number)

    assert ended.value.code == 2
