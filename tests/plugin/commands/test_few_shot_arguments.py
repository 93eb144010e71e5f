"""Missing detector area in evaluate and compare, as a user asks for it."""

import argparse
import json
import re
import shlex
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.baselines import baselines
from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin import cli
from specklenn.plugin.commands import compare, evaluate
from specklenn.plugin.commands.few_shot_arguments import area

DOCS = Path(__file__).parents[3] / "docs/missing-area.md"


@pytest.fixture(scope="module")
def shots(tmp_path_factory, draw_shots):
    """Shots whose upper left alone tells their class: elsewhere all are alike."""
    path = tmp_path_factory.mktemp("area")
    frames, labels = draw_shots(80)
    kept = np.isin(labels, ["single-hit", "multi-hit"])
    frames, labels = frames[kept], labels[kept]
    alike = np.repeat(frames[:1], len(frames), axis=0)
    alike[:, :50, :50] = frames[:, :50, :50]
    write_dataset(path / "shots.h5", alike, labels)
    upper_left = np.zeros((100, 100), np.uint8)
    upper_left[:50, :50] = 1
    with h5py.File(path / "bad.h5", "w") as file:
        file[labelled_dataset.MASK] = upper_left
    return path


@pytest.fixture
def scores(shots, run_folder, tmp_path):
    """Evaluate the shots; returns what the command writes as JSON."""

    def call(*words):
        weights = ["--weights", str(run_folder.path / "w.safetensors")]
        wanted = ["--shots", "5", "--json", str(tmp_path / "s.json"), *words]
        assert evaluate.main([f"{shots}/shots.h5", *weights, *wanted]) == 0
        return json.loads((tmp_path / "s.json").read_text())

    return call


def accuracy(found):
    return found["shots"]["5"]["accuracy"]


def test_only_the_quadrant_that_differs_tells_the_classes(scores):
    first, last = scores("--area", "quadrant=0"), scores("--area", "quadrant=3")

    assert accuracy(first) > 0.95
    assert accuracy(last) < 0.6
    assert (first["area"], last["area"]) == ("quadrant 0", "quadrant 3")


def test_a_mask_from_a_file_hides_what_it_calls_bad(scores, shots):
    found = scores("--mask", f"{shots}/bad.h5")

    assert accuracy(found) < 0.6
    assert found["area"] == f"mask {shots}/bad.h5"


def test_mates_bring_nothing_where_both_are_seen(scores):
    whole, filled = scores(), scores("--fill-mates")

    assert whole["shots"] == filled["shots"]
    assert (whole["area"], filled["area"]) == ("whole", "whole, mates filled")


def test_mates_of_the_other_quadrants_are_shown_to_the_network(scores):
    plain = scores("--area", "quadrant=0")
    filled = scores("--area", "quadrant=0", "--fill-mates")

    assert accuracy(filled) > 0.9
    assert filled["area"] == "quadrant 0, mates filled"
    assert filled != plain


def test_all_methods_of_a_comparison_see_the_same_area(
    shots, run_folder, tmp_path, monkeypatch
):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(baselines, "SUPPORT_STEPS", 2)
    words = [f"{shots}/shots.h5", "--models", f"{run_folder.path}/w.safetensors"]
    words += ["--shots", "5", "--json", f"{tmp_path}/r.json"]

    assert compare.main([*words, "--area", "quadrant=3"]) == 0

    found = json.loads((tmp_path / "r.json").read_text())
    assert found["area"] == "quadrant 3"
    assert max(accuracy(row) for row in found["results"]) < 0.65


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--area", "modules=1"], ConfigError, "1 found, expected 0 to 0"),
        (["--mask", "missing.h5"], DataError, r"missing\.h5: no such file"),
    ],
)
def test_an_area_that_is_not_there_is_refused(shots, run_folder, words, error, said):
    weights = ["--weights", f"{run_folder.path}/w.safetensors"]

    with pytest.raises(error, match=said):
        evaluate.main([f"{shots}/shots.h5", *weights, *words])


def test_areas_are_read_as_they_are_written():
    assert area("quadrant=3").quadrant == 3
    assert area("modules=0,3").modules == (0, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quadrant=4", "quadrant: 4 found, expected 0, 1, 2 or 3"),
        ("quadrant", "quadrant=0 to 3, modules=0,3 or find_dead=false expected"),
        ("modules=", "quadrant=0 to 3, modules=0,3 or find_dead=false expected"),
        ("modules=a", "modules.0: 'a' found"),
        ("find_dead", "quadrant=0 to 3, modules=0,3 or find_dead=false expected"),
    ],
)
def test_other_areas_are_wrong_usage(text, said):
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        area(text)


@pytest.mark.slow
def test_the_commands_of_the_docs_work_in_the_order_shown(tmp_path, monkeypatch):
    pytest.importorskip("finufft")
    pytest.importorskip("gemmi")
    text = DOCS.read_text()
    assert "--per-class 100" in text
    text = text.replace("--per-class 100", "--per-class 12")
    monkeypatch.chdir(tmp_path)

    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = "".join(blocks).splitlines()
    assert lines
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        assert cli.main() == 0, line
