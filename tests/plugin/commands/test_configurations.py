"""Every command that takes a configuration reads it in one way."""

import argparse
import sys
from pathlib import Path

import h5py
import pytest
import yaml

from specklenn.core.config.run_config import Config
from specklenn.core.data import labelled_dataset
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.training.train_config import TrainingRun
from specklenn.plugin import cli, packaged_configs
from specklenn.plugin.commands.arguments import read_config
from specklenn.plugin.commands.config import find_model

COMMANDS = [
    ["run", "demo"],
    ["label", "cxi"],
    ["adapt", "adapt"],
    ["simulate", "simulate", "-o", "x.h5", "-n", "1"],
    ["train", "train_default"],
    ["table1", "labelled.h5"],
    ["config", "check", "demo"],
    ["config", "check", "adapt"],
    ["config", "show", "simulate_virus"],
    ["config", "show", "train_paper"],
]
OLD_KEY = "preprocess: {fill_mates: true}\n"


@pytest.fixture
def specklenn(monkeypatch, tmp_path, capfd):
    """Call the command in an empty folder; returns its code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["specklenn", *words])
        code = cli.main()
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_finds_packaged_ones_and_tells_all_wrong_values(specklenn, words):
    given = ["--set", "nokey=1", "--set", "name=[", "--set", "x"]

    code, out, told = specklenn(*words, *given)

    assert (code, out) == (2, "")
    assert told.splitlines() == [
        "specklenn: error: --set name:1: not YAML: expected the node content, but "
        "found '<stream end>'",
        "specklenn: error: --set x: KEY=VALUE expected, as source.path=a.h5",
        "specklenn: error: --set: nokey: unknown key (found 1); see `specklenn config "
        "show`",
    ]


@pytest.mark.parametrize(
    "words", [c for c in COMMANDS if c[0] not in ("label", "table1")]
)
def test_a_configuration_that_is_not_there_is_told_by_every_command(specklenn, words):
    name = words[2] if words[0] == "config" else words[1]
    given = ["nothing" if word == name and i else word for i, word in enumerate(words)]

    code, _, told = specklenn(*given)

    assert code == 2
    assert "nothing: no such file; packaged configurations are adapt, cxi" in told


def expected(name):
    if name == "adapt":
        return Adaptation
    if name.startswith("simulate"):
        return Experiment
    return TrainingRun if name.startswith("train") else Config


@pytest.mark.parametrize("name", packaged_configs.names())
def test_it_is_seen_what_a_packaged_configuration_is_for(name):
    document = read_yaml(packaged_configs.find_config(name))

    assert find_model(document) is expected(name)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("data: a.h5", Adaptation),
        ("{data: a.h5, tuning: {steps: 3}, output: a}", Adaptation),
        ("{data: a.h5, output: a.safetensors}", TrainingRun),
        ("{dta: a.h5, training: {steps: 3}}", TrainingRun),
        ("{seed: 3, detector: {rows: 64}}", Experiment),
        ("support: {file: s.yaml}", Config),
        ("source: {kind: hdf5}", Config),
        ("", Config),
        ("[1]", Config),
    ],
)
def test_it_is_seen_by_the_keys_what_a_configuration_is_for(tmp_path, text, model):
    (tmp_path / "c.yaml").write_text(text)

    assert find_model(read_yaml(tmp_path / "c.yaml")) is model


@pytest.mark.parametrize("name", packaged_configs.names())
def test_every_packaged_configuration_is_shown_and_means_the_same(
    specklenn, tmp_path, name
):
    _, shown, _ = specklenn("config", "show", name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c.yaml").write_text(shown)

    assert specklenn("config", "show", "other/c.yaml") == (0, shown, "")


@pytest.mark.parametrize("name", ["adapt", "train_default", "train_offline"])
def test_packaged_trainings_are_good_before_there_are_any_data(specklenn, name):
    code, out, told = specklenn("config", "check", name)

    assert (code, told) == (0, "")
    assert out.endswith(f"{name}.yaml: good\n")


def test_what_a_packaged_configuration_names_is_here_unless_it_is_packaged_too(
    specklenn, tmp_path
):
    def shown(name):
        return yaml.safe_load(specklenn("config", "show", name)[1])

    packaged = packaged_configs.folder() / "support/demo.yaml"
    assert shown("adapt")["data"][0]["file"] == str(tmp_path / "labelled.h5")
    assert shown("train_paper")["output"] == str(tmp_path / "paper_96.safetensors")
    assert shown("cxi")["source"]["path"] == str(tmp_path / "run.cxi")
    assert shown("demo")["support"]["file"] == str(packaged)


def test_an_override_reaches_what_a_command_does(specklenn, tmp_path):
    assert specklenn("adapt", "adapt", "--set", "data=mine.h5")[2].endswith(
        f"{tmp_path}/mine.h5: no such file or folder\n"
    )
    assert (
        f"{tmp_path}/mine.h5: no such"
        in specklenn("train", "train_paper", "--set", "data=[mine.h5]")[2]
    )
    assert (
        f"{tmp_path}/mine.h5: no such"
        in specklenn("table1", "a.h5", "--set", "data=mine.h5")[2]
    )
    assert (
        f"{tmp_path}/mine.h5: no such"
        in specklenn("label", "cxi", "--set", "source.path=mine.h5")[2]
    )


@pytest.mark.slow
def test_overrides_reach_every_process_of_a_training(specklenn):
    words = ["train", "train_paper", "--processes", "2", "--set", "nokey=1"]

    code, _, told = specklenn(*words)

    assert code == 2
    assert told.count("--set: nokey: unknown key") == 1


@pytest.mark.parametrize("text", ["data: a.h5\n", "source: {kind: hdf5, path: a.h5}\n"])
def test_a_former_key_is_told_once_with_its_line_and_its_name_of_now(
    specklenn, tmp_path, caplog, text
):
    support = "support: {file: s.yaml}\n" if "source" in text else ""
    (tmp_path / "c.yaml").write_text(text + OLD_KEY + support)

    code, shown, _ = specklenn("config", "show", "c.yaml")

    assert code == 0
    assert yaml.safe_load(shown)["preprocess"]["fill_friedel_mates"] is True
    assert [record.message for record in caplog.records] == [
        "c.yaml:2: preprocess.fill_mates is called fill_friedel_mates now; the old key "
        "is read for now"
    ]


def test_a_former_key_is_told_by_the_first_rank_alone(tmp_path, caplog):
    (tmp_path / "c.yaml").write_text("data: a.h5\n" + OLD_KEY)
    options = argparse.Namespace(config=str(tmp_path / "c.yaml"), set=[])

    for rank in (1, 2, 0):
        validate(Adaptation, read_config(options, rank))

    assert len(caplog.records) == 1


def test_check_looks_at_a_run_of_files_and_draws_it(specklenn, run_folder):
    code, out, told = specklenn(
        *("config", "check", str(run_folder.config), "--picture", "look.png")
    )

    assert (code, told) == (0, "")
    lines = {line[2:12].strip(): line for line in out.splitlines()}
    assert "256 of 600 shots" in lines["looked at"]
    assert "100 x 100 pixels, uint16" in lines["frames"]
    assert "in the data" in lines["masked"]
    assert "by symmetry 50.0, 50.0" in lines["centre"]
    assert out.endswith("wrote look.png\n")
    assert Path("look.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "words"),
    [("demo", "no shots before it runs"), ("adapt", "of a run")],
)
def test_what_has_no_shots_yet_cannot_be_drawn(specklenn, name, words):
    code, _, told = specklenn("config", "check", name, "--picture", "look.png")

    assert code == 2
    assert words in told


def test_a_run_of_which_no_shot_can_be_read_is_not_good(
    specklenn, run_folder, draw_shots
):
    with h5py.File("run.h5", "w") as file:
        file.create_dataset(
            labelled_dataset.DATA,
            data=draw_shots(20)[0],
            chunks=(1, 100, 100),
            compression="gzip",
        )
        places = [file[labelled_dataset.DATA].id.get_chunk_info(k) for k in range(20)]
    with Path("run.h5").open("r+b") as file:
        for place in places:
            file.seek(place.byte_offset)
            file.write(b"\xff" * place.size)
    words = ("--set", "source.path=run.h5", "--set", "area.find_dead=false")

    code, out, told = specklenn("config", "check", str(run_folder.config), *words)

    assert (code, out) == (2, "")
    assert "no shot that can be used: of 20 shots looked at, 20 unreadable" in told
