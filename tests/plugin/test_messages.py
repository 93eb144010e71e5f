"""What commands say: no wider than a terminal, in words, with what was expected."""

import itertools
import re
import sys

import h5py
import numpy as np
import pytest

from specklenn.plugin import cli

WIDTH = 100

OF_PYTHON = ("tuple", "NoneType", "Errno", "Traceback", "invalid int", "invalid float")
"""Words that say nothing to who typed the command."""

HELP = [[name] for name in cli.COMMANDS] + [["config", "check"], ["config", "show"]]


@pytest.fixture
def say(monkeypatch, capsys):
    """Call specklenn in a terminal of so many columns; returns code, output, errors."""

    def call(*words, columns=WIDTH):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["specklenn", *map(str, words)])
        try:
            code = cli.main()
        except SystemExit as left:
            code = left.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def folder(run_folder, tmp_path, monkeypatch):
    """A folder with a run, and with files that nobody can use."""
    monkeypatch.chdir(tmp_path)
    for file in run_folder.path.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "bad.yaml").write_text("source: [")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/results.h5").touch()
    with h5py.File(tmp_path / "small.h5", "w") as file:
        frames = np.ones((6, 40, 40), np.uint16)
        file["entry_1/data_1/data"] = frames
    return tmp_path


@pytest.mark.parametrize("columns", [80, WIDTH])
@pytest.mark.parametrize("words", [[], *HELP], ids=" ".join)
def test_help_fits_into_the_terminal_and_has_an_example(say, words, columns):
    code, out, err = say(*words, "--help", columns=columns)

    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= columns
    assert out.startswith("usage: specklenn")
    command = " ".join(["specklenn", *words[:1]])
    assert re.search(rf"\n.*[Ee]xample(.|\n)*{command}" if words else command, out)


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_every_option_is_explained(say, words):
    _, out, _ = say(*words, "--help")

    lines = [*out.splitlines(), ""]
    for line, below in itertools.pairwise(lines):
        beside = re.search(r"\S  +\S", line.strip())
        if re.match(r"  -\S", line):
            assert beside or below.startswith(10 * " "), line


MISTAKES = {
    "nosuch": ["'nosuch' found, one of run, ", "expected"],
    "run": ["required: config", "see specklenn run --help"],
    "run gone.yaml": ["gone.yaml: no such file", "packaged configurations are"],
    "run bad.yaml": ["bad.yaml:1: not YAML"],
    "run run.yaml --set sorce.path=x": ["--set: sorce: unknown key", "config show"],
    "run run.yaml --set source.path=gone.cxi": ["source.path: ", "gone.cxi: no such"],
    "run run.yaml --set source.path=small.h5": ["(100, 100), the source has", "40)"],
    "run run.yaml --set classify.rule=best": ["'best' found, expected 'ensemble', "],
    "run run.yaml --set loop.batch_shots=many": ["'many' found, expected a whole num"],
    "run run.yaml --set output.folder=taken": ["taken holds results", "overwrite=true"],
    "run om": ["source.kind: 'om' found", "`specklenn om` runs"],
    "config check small.h5": ["small.h5: "],
    "evaluate gone.h5": ["gone.h5: no such file"],
    "evaluate text.h5": ["text.h5: not an HDF5 file"],
    "evaluate small.h5": ["small.h5: no labels at /entry_1/result_1/label"],
    "evaluate run.cxi --classes single-hit,cube": ["no pattern of 'cube' in run.cxi"],
    "evaluate run.cxi --draws many": ["'many' found, 1 or more expected"],
    "evaluate run.cxi --disturb nosuch": ["no disturbance 'nosuch'; there are"],
    "evaluate run.cxi --json no/x.json": ["--json no/x.json: its folder does not"],
    "compare run.cxi --classes single-hit": ["1 found, two expected"],
    "compare run.cxi --models nosuch": ["no packaged model 'nosuch'", ".safetensors"],
    "table1 run.cxi --recipes nosuch": ["nosuch found, some of supports, adapt"],
    "simulate simulate -o x.h5": ["one of the arguments -n/--number --per-class"],
    "simulate simulate -o no/x.h5 -n 3": ["--output no/x.h5: its folder does not"],
    "simulate simulate -o x.h5 -n 3 --set bodies.0.radius_m=1": ["bodies: a list, "],
    "simulate simulate -o x.h5 -n 3 --set hits=many": ["'many' found, expected a list"],
    "train gone.yaml": ["gone.yaml: no such file"],
    "train train_offline --processes 0": ["'0' found, 1 or more expected"],
    "adapt adapt --threads many --set data=run.cxi": ["'many' found, a whole number"],
    "adapt adapt --set data=gone.h5": ["gone.h5: no such file"],
    "label gone.cxi": ["gone.cxi: no such file"],
    "label run.cxi --classes a,a": ["a, a found, 1 to 8 different classes expected"],
    "label run.cxi --only-write": ["goes together with --supports or --training"],
    "swap": ["--weights, --support or --rule", "expected"],
    "swap --timeout soon --status": ["'soon' found, a number expected"],
    "emc gone.h5": ["gone.h5: no such file"],
    "monitor --after soon": ["'soon' found, seconds expected"],
    "monitor --size big": ["'big' found, 200 to 8192 pixels a side expected"],
    "monitor nosuch": ["'nosuch' found, tcp://HOST:PORT expected"],
    "demo --duration soon": ["'soon' found"],
    "purity gone.h5": ["gone.h5: no such file"],
    "purity run.cxi": ["run.cxi: no results of a run found", "expected"],
}


@pytest.mark.parametrize(("line", "words"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_mistake_is_told_in_words_that_fit_into_the_terminal(
    say, folder, line, words
):
    code, out, err = say(*line.split())

    assert code in (1, 2)
    assert out == ""
    assert max(map(len, err.splitlines())) <= WIDTH
    told = " ".join(err.split())
    assert re.match(r"(usage: .*)?specklenn( \w+)*: ", told)
    assert len(re.findall(r"specklenn( \w+)*: error: ", told)) <= 1
    for word in words:
        assert word in told
    for word in OF_PYTHON:
        assert word not in told


def test_the_overview_names_every_command(say):
    _, out, _ = say("--help")

    for name, summary in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)
