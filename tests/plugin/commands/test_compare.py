"""compare, as a user calls it."""

import csv
import json
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

from specklenn.core.baselines import baselines
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import (
    ConfigError,
    DataError,
    MissingPackageError,
    WeightsError,
)
from specklenn.plugin.commands import compare

TWO = ("single-hit", "multi-hit")


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    """Steps enough to run, not to learn."""
    monkeypatch.setattr(baselines, "SUPPORT_STEPS", 2)
    monkeypatch.setattr(baselines, "OFFLINE_STEPS", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_shots, mask, run_folder):
    """Shots of two samples, of two others, and expected photons of both."""
    path = tmp_path_factory.mktemp("compare")
    frames, labels = draw_shots(64)
    kept = np.isin(labels, TWO)
    frames, labels = frames[kept], labels[kept]
    for file, samples in (("data", ["a", "b"]), ("train", ["c", "d"])):
        names = np.repeat(samples, 16)
        write_dataset(path / f"{file}.h5", frames, labels, names=names, mask=mask)
        expected = frames * np.float32(0.7)
        write_dataset(
            path / f"{file}-expected.h5", expected, labels, names=names, mask=mask
        )
    write_dataset(path / "nameless.h5", frames, labels, mask=mask)
    write_dataset(path / "one.h5", frames, np.full(32, TWO[0]), names=names)
    return path


@pytest.fixture(scope="module")
def weights(run_folder):
    return str(run_folder.path / "w.safetensors")


def test_one_command_makes_the_table(folder, weights, tmp_path, capsys):
    words = [str(folder / "data.h5"), "--models", weights, "--shots", "1,5"]
    words += ["--draws", "2", "--train", str(folder / "train.h5")]
    files = ["--json", str(tmp_path / "r.json"), "--csv", str(tmp_path / "r.csv")]

    assert compare.main([*words, *files]) == 0

    shown = capsys.readouterr().out
    assert "single-hit and multi-hit; 1 support per class; 2 samples" in shown
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("│") for line in lines) == 2 * 11  # none is folded
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["n_patterns"] == 32
    assert report["train"] == [str(folder / "train.h5")]
    assert set(report["models"]) == {"w"}
    rows = [(row["method"], row["variant"]) for row in report["results"]]
    assert rows == [
        ("w", "mean (own)"),
        ("w", "prototype"),
        ("photon count", "nearest mean"),
        ("Shi 2019", "above 0.9"),
        ("Shi 2019", "above 0.5"),
        ("PCA + SVM", "angular"),
        ("PCA + SVM", "pixels"),
        ("Shi 2019", "above 0.9"),
        ("Shi 2019", "above 0.5"),
        ("PCA + SVM", "angular"),
        ("PCA + SVM", "pixels"),
    ]
    assert {row["fluence"] for row in report["results"]} == {None}
    assert set(report["results"][0]["shots"]) == {"1", "5"}
    with open(tmp_path / "r.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 11 * 2
    for line in lines:
        assert float(line["low"]) <= float(line["accuracy"]) <= float(line["high"])
    assert lines[0]["trained on"] == "own data"
    assert lines[-1]["trained on"] == "--train"
    assert lines[-1]["sees supports"] == "no"


def test_the_same_command_gives_the_same_numbers(folder, weights, tmp_path):
    words = [str(folder / "data.h5"), "--models", weights, "--shots", "2"]
    words += ["--draws", "2", "--train", str(folder / "train.h5")]

    for name in ("a", "b"):
        compare.main([*words, "--json", str(tmp_path / name)])

    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_a_scan_draws_a_line_per_method(folder, weights, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    words = [str(folder / "data-expected.h5"), "--models", weights, "--shots", "5"]
    words += ["--draws", "1", "--fluence-scan", "0.1,1"]
    words += ["--train", str(folder / "train-expected.h5")]
    files = ["--json", str(tmp_path / "r.json"), "--plot", str(tmp_path / "r.png")]

    assert compare.main([*words, *files]) == 0

    shown = capsys.readouterr().out
    assert "intervals over samples; fluence 1" in " ".join(shown.split())
    assert "Accuracy by fluence (columns), 5 supports per class" in shown
    results = json.loads((tmp_path / "r.json").read_text())["results"]
    assert [row["fluence"] for row in results] == [0.1] * 11 + [1.0] * 11
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_without_training_data_nothing_is_trained_offline(folder, weights, capsys):
    words = [str(folder / "nameless.h5"), "--models", weights, "--shots", "1"]

    assert compare.main([*words, "--draws", "1"]) == 0

    assert "--train" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["data.h5", "--models", "best"], WeightsError, "no packaged model 'best'"),
        (["data.h5", "--train", "data.h5"], ConfigError, "data.h5 has a, b of"),
        (["data.h5", "--train", "nameless.h5"], ConfigError, "no sample names"),
        (["data.h5", "--classes", "single-hit"], ConfigError, "1 found, two"),
        (["one.h5"], ConfigError, "no pattern of 'multi-hit'"),
        (["data.h5", "--train", "one.h5"], ConfigError, "no pattern of 'multi-hit'"),
        (["data.h5", "--shots", "40"], DataError, "no sample has 41 patterns"),
        (["data.h5", "--fluence-scan"], DataError, "expected photons needed"),
        (["data.h5", "--plot", "x.png"], ConfigError, "together with --fluence-scan"),
        (["data.h5", "--csv", "no/x.csv"], ConfigError, "folder does not exist"),
        (
            ["data.h5", "--fluence-scan", "1", "--plot", "x.gif"],
            ConfigError,
            "in .png or .pdf",
        ),
        (["lost.h5"], DataError, "no such file"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    folder, weights, monkeypatch, words, error, said
):
    monkeypatch.chdir(folder)
    given = words if "--models" in words else [*words, "--models", weights]

    with pytest.raises(error, match=said):
        compare.main(given)


def test_two_models_of_one_name_are_refused(folder, weights, tmp_path):
    same = tmp_path / "w.safetensors"

    with pytest.raises(ConfigError, match="two models are called 'w'"):
        compare.main([str(folder / "data.h5"), "--models", f"{weights},{same}"])


def test_a_missing_package_is_named_before_anything_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)

    with pytest.raises(MissingPackageError, match="pip install"):
        compare.main(["nowhere.h5"])


@pytest.mark.parametrize(
    "words",
    [["x.h5", "--shots", "0"], ["x.h5", "--draws", "x"], ["x.h5", "--models", ","], []],
)
def test_wrong_usage_ends_with_2(words):
    with pytest.raises(SystemExit) as ended:
        compare.main(words)

    assert ended.value.code == 2
