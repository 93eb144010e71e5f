"""evaluate, as a user calls it, on shots and on expected photons."""

import csv
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.data.labelled_dataset import read_dataset
from specklenn.core.errors import ConfigError, DataError, MissingPackageError
from specklenn.core.evaluation.disturbances import NAMES as NAMES_OF_DISTURBANCES
from specklenn.core.network import checkpoint
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.preprocess import Preprocessing
from specklenn.plugin import cli
from specklenn.plugin.commands import evaluate as evaluate_command
from specklenn.plugin.commands import simulate

DOCS = Path(__file__).parents[3] / "docs/evaluation.md"

EXPERIMENT = """
detector: {rows: 48, columns: 48, pixel_size_m: 1.3e-3}
procedural: {count: 3, seed: 1, atoms: [2000, 3000]}
fractions: {single-hit: 1, multi-hit: 1, non-sample-hit: 1}
fluence: 3
"""
NO_NOISE = "noise={jitter_shape: 0, shot_noise: false, read_noise_photons: 0}"
NAMES = ["procedural-1-0", "procedural-1-1", "procedural-1-2"]
ATOMS = [2100, 2500, 2900]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shots, expected photons, a table of sizes and an untrained model."""
    path = tmp_path_factory.mktemp("evaluate")
    (path / "e.yaml").write_text(EXPERIMENT)
    words = [str(path / "e.yaml"), "--per-class", "8", "--processes", "1", "-o"]
    assert simulate.main([*words, str(path / "shots.h5")]) == 0
    clean = [*words, str(path / "expected.h5"), "--set", NO_NOISE]
    assert simulate.main(clean) == 0
    sizes = [f"{name},{atoms}" for name, atoms in zip(NAMES, ATOMS, strict=True)]
    (path / "sizes.csv").write_text("\n".join(["id,atoms", *sizes]))
    torch.manual_seed(0)
    checkpoint.save(
        path / "w.safetensors",
        CompactEncoder(16, 8).eval(),
        Preprocessing(crop=32, bin=2, standardise=False),
        checkpoint.Card(name="untrained"),
        rule="nearest",
    )
    return path


@pytest.fixture
def evaluate(folder):
    """Call the command; its data are in the folder."""

    def call(data, *words):
        weights = ["--weights", str(folder / "w.safetensors")]
        return evaluate_command.main([str(folder / data), *weights, *map(str, words)])

    return call


@pytest.fixture
def scores(evaluate, tmp_path):
    """Call the command and return what it writes as JSON."""

    def call(data, *words):
        assert evaluate(data, "--json", tmp_path / "s.json", *words) == 0
        return json.loads((tmp_path / "s.json").read_text())

    return call


def test_evaluate_writes_the_scores_that_scripts_rely_on(scores):
    found = scores("shots.h5", "--shots", "1,5", "--draws", 2, "--seed", 0)

    assert {"shots", "n_patterns", "weights"} <= set(found)
    assert found["n_patterns"] == 3 * 3 * 8
    assert found["weights"].endswith("w.safetensors")
    assert set(found["shots"]) == {"1", "5"}
    score = found["shots"]["5"]
    assert {"accuracy", "f1", "ci95", "per_sample", "confusion"} <= set(score)
    assert score["ci95"][0] <= score["accuracy"] <= score["ci95"][1]
    assert set(score["per_sample"]) == set(NAMES)
    assert set(score["per_sample"][NAMES[0]]) == {"accuracy", "f1"}


def test_the_number_of_supports_has_a_new_name_and_keeps_the_old(scores):
    assert scores("shots.h5", "--n-shot", "1,5") == scores("shots.h5", "--shots", "1,5")


def test_what_the_model_has_learned_is_used_where_asked_for(scores):
    learned = scores("shots.h5", "--rule", "learned", "--shots", "1")
    prototype = scores("shots.h5", "--rule", "prototype", "--shots", "1")

    assert learned["rule"] == "learned"
    assert learned["shots"]["1"] != prototype["shots"]["1"]


def test_the_models_own_rule_is_used_unless_another_is_asked_for(scores):
    own = scores("shots.h5")
    mean = scores("shots.h5", "--rule", "mean")
    nearest = scores("shots.h5", "--rule", "nearest")

    assert (own["rule"], mean["rule"]) == ("nearest", "mean")
    assert own == nearest
    assert own["shots"]["5"] != mean["shots"]["5"]


def test_joined_classes_are_one(scores):
    rest = "multi-hit+non-sample-hit"

    found = scores("shots.h5", "--classes", f"single-hit,{rest}", "--shots", 5)

    assert found["classes"] == ["single-hit", rest]
    assert set(found["shots"]["5"]["confusion"]) == {"single-hit", rest}


def test_a_confusion_table_is_printed(evaluate, capsys):
    evaluate("shots.h5", "--shots", 1)

    told = capsys.readouterr().out
    assert "Found (columns) of each truth" in told
    assert re.search(r"│ multi-hit +│ +[\d.]+ │ +[\d.]+ │", told)


def test_numbers_of_supports_that_the_data_allow_are_still_reported(scores, capsys):
    assert set(scores("shots.h5", "--shots", "5,20")["shots"]) == {"5"}
    assert "left out: 20 supports" in capsys.readouterr().err


def test_too_many_supports_are_refused(evaluate):
    with pytest.raises(DataError, match="no sample has 9 patterns of every class"):
        evaluate("shots.h5", "--shots", 8)


def test_a_file_without_sample_names_is_one_sample(folder, tmp_path, scores):
    run = read_dataset(folder / "shots.h5")
    write_dataset(tmp_path / "real.h5", run.patterns, run.labels, mask=run.mask)

    score = scores(tmp_path / "real.h5", "--shots", 5)["shots"]["5"]

    assert set(score["per_sample"]) == {"real"}


def test_a_scan_has_scores_at_every_fluence(scores):
    found = scores("expected.h5", "--fluence-scan", "0.1,10,1", "--shots", "1,5")

    assert list(found["fluence_scan"]) == ["0.1", "1", "10"]
    assert {"accuracy", "f1", "ci95"} <= set(found["fluence_scan"]["0.1"]["5"])
    assert found["fluence"] == 1.0
    at_baseline = found["fluence_scan"]["1"]["5"]
    assert found["shots"]["5"]["accuracy"] == at_baseline["accuracy"]


def test_a_scan_goes_over_four_decades_by_default(scores):
    found = scores("expected.h5", "--fluence-scan", "--shots", 5)

    assert len(found["fluence_scan"]) == 9
    assert list(found["fluence_scan"])[:3] == ["0.01", "0.0316", "0.1"]
    assert list(found["fluence_scan"])[-1] == "100"


def test_a_fluence_gives_the_same_scores_alone_and_among_others(scores):
    alone = scores("expected.h5", "--fluence-scan", "10", "--shots", 5)
    among = scores("expected.h5", "--fluence-scan", "1,10", "--shots", 5)

    assert alone["fluence_scan"]["10"] == among["fluence_scan"]["10"]


def test_a_scan_without_any_noise_sees_the_patterns_of_the_file(scores):
    """The experiment was at fluence 3."""
    noise = "{jitter_shape: 0, shot_noise: false, read_noise_photons: 0}"
    scan = scores("expected.h5", "--fluence-scan", 3, "--noise", noise, "--shots", 5)

    assert scan["shots"] == scores("expected.h5", "--shots", 5)["shots"]


def test_a_scan_of_shots_is_refused_for_their_noise(evaluate):
    with pytest.raises(DataError, match=r"shots\.h5: noise .* expected photons needed"):
        evaluate("shots.h5", "--fluence-scan")


def test_sizes_from_a_table_and_from_the_simulation(scores, folder, tmp_path):
    report = ["--report", tmp_path / "r", "--by-size", "--shots", 5]

    atoms = scores("shots.h5", *report, "--sizes", folder / "sizes.csv")
    radii = scores("shots.h5", *report)

    def sizes(found, key):
        samples = found["shots"]["5"]["per_sample"]
        return [samples[name][key] for name in NAMES]

    assert sizes(atoms, "atoms") == ATOMS
    assert all(20 < radius < 90 for radius in sizes(radii, "radius_angstrom"))
    assert (tmp_path / "r" / "size.pdf").read_bytes().startswith(b"%PDF")


def test_samples_of_unknown_size_are_named(evaluate, tmp_path, capsys):
    (tmp_path / "some.csv").write_text("id,atoms\nprocedural-1-1,2500\n")
    words = ["--sizes", tmp_path / "some.csv", "--by-size", "--shots", 5]

    assert evaluate("shots.h5", *words, "--report", tmp_path / "r") == 0

    told = capsys.readouterr().err
    assert "size not known: procedural-1-0, procedural-1-2" in told


def test_disturbances_are_measured_all_of_them_by_default(scores, capsys):
    plain = scores("shots.h5", "--shots", 5)
    found = scores("shots.h5", "--shots", 5, "--disturb")

    rows = found["disturbances"]["rows"]
    assert list(rows) == ["none", *NAMES_OF_DISTURBANCES]
    assert rows["none"]["shots"]["5"]["accuracy"] == plain["shots"]["5"]["accuracy"]
    for row in rows.values():
        accuracy = row["shots"]["5"]["accuracy"]
        change = accuracy - rows["none"]["shots"]["5"]["accuracy"]
        assert row["change"]["5"] == pytest.approx(change)
        assert row["log_loss"] > 0
    told = capsys.readouterr().out
    assert re.search(r"│ mean-cut +│ +[\d.]+ │ +[+-][\d.]+ │ +[\d.]+ │", told)


def test_some_disturbances_are_measured_as_among_all_and_again(scores):
    words = ["--shots", "1,5", "--seed", 3]
    everything = scores("shots.h5", "--disturb", *words)["disturbances"]["rows"]

    some = scores("shots.h5", "--disturb", "unequal,background", *words)

    rows = some["disturbances"]["rows"]
    assert list(rows) == ["none", "unequal", "background"]
    assert rows == {name: everything[name] for name in rows}
    assert set(rows["unequal"]["shots"]) == {"5"}


def test_without_disturbances_there_is_no_table_of_them(scores, capsys):
    assert "disturbances" not in scores("shots.h5", "--shots", 5)
    assert "wandering" not in capsys.readouterr().out


def test_disturbances_that_the_data_do_not_allow_are_named(
    folder, tmp_path, scores, capsys
):
    run = read_dataset(folder / "shots.h5")
    write_dataset(tmp_path / "real.h5", run.patterns, run.labels, mask=run.mask)

    found = scores(tmp_path / "real.h5", "--disturb", "two-samples,gain", "--shots", 1)

    rows = found["disturbances"]["rows"]
    assert (rows["two-samples"]["shots"], rows["two-samples"]["log_loss"]) == ({}, None)
    assert set(rows["gain"]["shots"]) == {"1"}
    captured = capsys.readouterr()
    assert "left out: two-samples: needs two samples and two supp" in captured.err
    assert re.search(r"│ two-samples +│ +- │ +- │ +- │", captured.out)


def test_shots_of_the_main_fluence_are_disturbed(scores):
    words = ["--disturb", "gain", "--shots", 5]
    scan = scores("expected.h5", "--fluence-scan", "0.1,1", *words)
    baseline = scores("expected.h5", "--fluence-scan", "1", *words)

    assert scan["disturbances"] == baseline["disturbances"]


def test_a_report_shows_disturbances(evaluate, tmp_path):
    words = ["--disturb", "gap,wrong-label", "--shots", 5, "--report", tmp_path / "r"]

    assert evaluate("shots.h5", *words) == 0

    assert (tmp_path / "r/disturbances.png").stat().st_size > 5_000
    page = (tmp_path / "r/report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "8 rows beside the beam read zero" in page


def test_the_help_says_what_every_disturbance_is(capsys):
    with pytest.raises(SystemExit):
        evaluate_command.main(["--help"])

    told = " ".join(capsys.readouterr().out.split())
    for name in NAMES_OF_DISTURBANCES:
        assert f"{name}: " in told


@pytest.mark.parametrize("names", ["gap,gop", ","])
def test_unknown_disturbances_are_refused_with_those_there_are(names, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate_command.main(["x.h5", "--disturb", names])

    assert ended.value.code == 2
    assert f"there are {', '.join(NAMES_OF_DISTURBANCES)}" in capsys.readouterr().err


def test_a_report_has_everything_in_one_folder(evaluate, folder, tmp_path, capsys):
    pytest.importorskip("sklearn")
    words = ["--fluence-scan", "1,100", "--by-size", "--sizes", folder / "sizes.csv"]
    words += ["--tsne", "--classes", "single-hit,multi-hit,non-sample-hit"]

    assert evaluate("expected.h5", *words, "--report", tmp_path / "r") == 0

    figures = ("accuracy", "confusion", "reliability", "fluence", "size", "tsne")
    images = {f"{name}.{kind}" for name in figures for kind in ("png", "pdf")}
    tables = {"report.html", "samples.csv", "scores.json"}
    assert {path.name for path in (tmp_path / "r").iterdir()} == images | tables
    assert f"wrote {tmp_path / 'r' / 'report.html'}" in capsys.readouterr().out
    page = (tmp_path / "r/report.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    card = json.loads((folder / "w.card.json").read_text())
    assert card["sha256"] in page
    with (tmp_path / "r/samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["fluence"] for row in rows} == {"1", "100"}
    assert {row["name"] for row in rows} == set(NAMES)


def test_only_the_maps_asked_for_are_drawn(evaluate, tmp_path):
    pytest.importorskip("sklearn")
    words = ["--tsne", NAMES[1], "--shots", 5, "--report", tmp_path / "r"]

    assert evaluate("shots.h5", *words) == 0

    assert (tmp_path / "r/tsne.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--classes", "single-hit"], "single-hit alone, at least two expected"),
        (["--classes", ""], "none found, at least two expected"),
        (["--classes", "single-hit,hits"], r"no pattern of 'hits' in .*'single-hit'"),
        (["--tsne"], "--tsne: goes together with --report FOLDER"),
        (["--by-size"], "--by-size: goes together with --report FOLDER"),
        (["--noise", "{}"], "--noise: goes together with --fluence-scan"),
        (["--json", "no/such/s.json"], "no/such/s.json: its folder does not exist"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(evaluate, words, said):
    with pytest.raises(ConfigError, match=said):
        evaluate("shots.h5", *words)


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        ("{read_noise: 1}", "--noise:1: read_noise: unknown key"),
        ("{jitter_shape: -1}", "--noise:1: jitter_shape"),
        ("{", "--noise:1: not YAML"),
        ("{adu_per_photon: 5}", "--noise: models judge photons"),
    ],
)
def test_impossible_noise_is_refused(evaluate, noise, said):
    with pytest.raises(ConfigError, match=said):
        evaluate("expected.h5", "--fluence-scan", "--noise", noise)


def test_a_sample_that_is_not_there_is_refused(evaluate, tmp_path):
    pytest.importorskip("sklearn")

    with pytest.raises(ConfigError, match=r"no sample '1ABC' in .*procedural-1-0"):
        evaluate("shots.h5", "--tsne", "1ABC", "--report", tmp_path / "r")


def test_frames_too_small_for_the_model_are_refused(evaluate, tmp_path):
    write_dataset(tmp_path / "s.h5", np.ones((2, 9, 9)), ["single-hit", "multi-hit"])

    with pytest.raises(ConfigError, match=r"s\.h5: .*32 pixels .* 9 rows of frames"):
        evaluate(tmp_path / "s.h5")


def test_a_report_where_a_file_is_is_refused(evaluate, tmp_path):
    (tmp_path / "r").touch()

    with pytest.raises(DataError, match="r: cannot be written: File exists"):
        evaluate("shots.h5", "--report", tmp_path / "r")


@pytest.mark.parametrize(
    "words",
    [
        ["--shots", "0,5"],
        ["--shots", "five"],
        ["--draws", "0"],
        ["--seed", "-1"],
        ["--rule", "median"],
        ["--fluence-scan", "0,1"],
        ["--fluence-scan", "bright"],
        ["--fluence-scan", "nan"],
    ],
)
def test_wrong_usage_ends_with_2(words):
    with pytest.raises(SystemExit) as ended:
        evaluate_command.main(["x.h5", *words])

    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("package", "words"), [("matplotlib", []), ("sklearn.manifold", ["--tsne"])]
)
def test_a_missing_package_is_named_before_anything_is_read(
    tmp_path, monkeypatch, package, words
):
    monkeypatch.setitem(sys.modules, package, None)
    command = ["missing.h5", "--report", str(tmp_path / "r"), *words]

    with pytest.raises(MissingPackageError, match=r"pip install 'specklenn\[report\]'"):
        evaluate_command.main(command)

    assert list(tmp_path.iterdir()) == []


def test_scikit_learn_is_needed_for_maps_alone(evaluate, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)

    assert evaluate("shots.h5", "--shots", 5, "--report", tmp_path / "r") == 0


def test_matplotlib_is_needed_for_a_report_alone(scores, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert set(scores("shots.h5", "--shots", 5)["shots"]) == {"5"}


SMALLER = {
    "--per-class 40": "--per-class 7",
    "count: 4, seed: 7, atoms: [10000, 60000]": "count: 3, seed: 7, atoms: [900, 999]",
}
"""Numbers in docs/evaluation.md that are made smaller for the test."""


@pytest.mark.slow
def test_the_commands_of_the_docs_work_in_the_order_shown(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    text = DOCS.read_text()
    for words, fewer in SMALLER.items():
        assert words in text
        text = text.replace(words, fewer)
    monkeypatch.chdir(tmp_path)
    (experiment,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    Path("samples.yaml").write_text(experiment)

    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    for line in "".join(blocks).splitlines():
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        assert cli.main() == 0, line

    for name in ("report", "fluence", "disturbed", "size", "maps"):
        assert Path(name, "report.html").is_file()
    named = set(re.findall(r"^\| `([a-z]+\.[a-z]+)`", text, flags=re.MULTILINE))
    images = {"accuracy.pdf", "confusion.pdf", "reliability.pdf"}
    assert {path.name for path in Path("report").iterdir()} == named | images
