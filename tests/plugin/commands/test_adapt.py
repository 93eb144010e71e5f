"""``specklenn adapt`` on shots of two particles that the released model knows."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.errors import ConfigError
from specklenn.core.network import checkpoint
from specklenn.plugin.cli import module_of
from specklenn.plugin.commands import adapt as adapt_command
from specklenn.plugin.commands import simulate

EXPERIMENT = """\
procedural: {count: 1, seed: 3, atoms: [20000, 20000]}
fractions: {single-hit: 1, multi-hit: 1, non-sample-hit: 1}
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Twelve shots of each of three classes: their file."""
    folder = tmp_path_factory.mktemp("adapt")
    (folder / "e.yaml").write_text(EXPERIMENT)
    path = folder / "labelled.h5"
    words = [str(folder / "e.yaml"), "-o", str(path), "--per-class", "12"]
    assert simulate.main([*words, "--processes", "1"]) == 0
    return path


@pytest.fixture
def adapt(labelled, tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder: its code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        settings = [f"data={labelled}", "tuning.steps=1", *words]
        given = [word for item in settings for word in ("--set", item)]
        code = adapt_command.main(["adapt", *given, "--threads", "1"])
        return code, capsys.readouterr().out

    return call


def test_a_model_its_card_and_its_supports_are_written(adapt, tmp_path):
    code, said = adapt()

    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapted_1.card.json",
        "adapted_1.safetensors",
        "adapted_1.supports.h5",
    ]
    assert "12 single-hit, 12 multi-hit, 12 non-sample-hit; each classified" in said
    for row in ("head alone", "last layers", "everything", "yardstick: ring features"):
        assert re.search(
            rf"{row}\W+\d\.\d+\W+\d\.\d+ to [\d.]+\W+\d\.\d+\W+\d\.\d+", said
        )
    assert "kept: " in said
    assert re.search("last layers against head alone: log loss 0.\\d+ nats ", said)
    assert "classify.reject_above_distance=" in said
    assert f"specklenn swap --weights {tmp_path}/adapted_1.safetensors" in said


def test_the_second_time_the_first_model_stays(adapt, tmp_path):
    adapt()
    first = (tmp_path / "adapted_1.safetensors").read_bytes()

    adapt("seed=1", "name=again")

    assert (tmp_path / "adapted_1.safetensors").read_bytes() == first
    card = json.loads((tmp_path / "adapted_2.card.json").read_text())
    assert card["name"] == "again 2"
    assert card["seed"] == 1


def test_a_quarter_of_the_detector_and_two_labels_are_enough(adapt):
    code, said = adapt("area.quadrant=0", "most_per_class=2")

    assert code == 0
    assert "kept: head alone. a class has fewer than 8 labels" in said
    assert "area quadrant 0" in checkpoint.load("adapted_1.safetensors").card.notes


def test_a_share_held_out_is_refused_with_what_to_say_instead(adapt):
    with pytest.raises(ConfigError, match=r"^--set: held_out: replaced by folds: all"):
        adapt("held_out=0.3")


def test_files_of_a_config_start_from_its_folder(labelled, tmp_path, monkeypatch):
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "labelled.h5").symlink_to(labelled)
    (folder / "my.yaml").write_text("data: labelled.h5\ntuning: {steps: 1}\n")
    monkeypatch.chdir(tmp_path)

    assert adapt_command.main([str(folder / "my.yaml"), "--threads", "1"]) == 0

    assert (folder / "adapted_1.safetensors").is_file()


def test_the_commands_of_the_docs_work_in_the_order_shown(tmp_path, monkeypatch):
    text = (Path(__file__).parents[3] / "docs/adapting.md").read_text()
    block = re.search(r"```sh\n(.*?)```", text, flags=re.DOTALL).group(1)
    monkeypatch.chdir(tmp_path)

    for line in block.splitlines():
        _, name, *words = shlex.split(line)
        module = importlib.import_module(module_of(name))
        sooner = ["--set", "tuning.steps=1"] if name == "adapt" else []
        assert module.main([*words, *sooner]) == 0, line

    assert (tmp_path / "adapted_1.supports.h5").is_file()
