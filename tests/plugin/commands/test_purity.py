"""purity, as a user calls it, on results of real runs, with keys through a pipe."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest

from specklenn.core.data.labelled_dataset import read_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands import purity as purity_command


@pytest.fixture(scope="module")
def finished(run_folder, command, tmp_path_factory):
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    settings = (f"output.folder={folder}", "classify.rule=mean")
    words = [word for text in settings for word in ("--set", text)]
    ran = command("run", run_folder.config, "--quiet", *words)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def results(finished, tmp_path):
    """A copy of its results, that answers may be written beside."""
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def purity(tmp_path, monkeypatch, capsys):
    """Call the command with keys; returns the exit code, output and errors."""

    def call(path, *words, keys=""):
        (tmp_path / "keys").write_text(keys)
        arguments = [str(path), *map(str, words), "--terminal"]
        with open(tmp_path / "keys") as stream, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", stream)
            code = purity_command.main(arguments)
        return code, *capsys.readouterr()

    return call


def saved(path):
    return json.loads(path.read_text())


def test_answers_of_somebody_who_knows_give_the_purity(purity, results, run_folder):
    """Who answers knows the truth of the simulated shots."""
    purity(results, "--shots", 30)
    file = results / "results.purity-single-hit.json"
    truth = read_dataset(run_folder.path / "run.cxi").labels
    drawn = [one["shot"] for one in saved(file)["shots"]]
    right = truth[drawn] == "single-hit"

    code, out, _ = purity(results, keys="".join(np.where(right, "y", "n")))

    assert code == 0
    assert [one["answer"] == "yes" for one in saved(file)["shots"]] == right.tolist()
    assert f"purity of single-hit: {right.sum()} of 30 = " in out
    assert "30 of 30 shots answered; 0 unsure" in out


def test_neither_class_nor_score_is_shown(purity, results):
    _, out, _ = purity(results, "--shots", 10, "--others", 10, keys="ynynyn9")

    for line in out.splitlines()[:8]:
        assert re.fullmatch(
            r"(shot \d+: (yes|no|unsure) \| )?shot \d+: no label \| "
            r"Is this single-hit\? y yes, n no, 9 unsure \| \d of 20 labelled",
            line,
        )


def test_the_same_command_goes_on_with_the_same_shots(purity, results):
    first = purity(results, "--shots", 5, keys="yn")
    assert "2 of 5 shots answered" in first[1]
    assert "give the same command again to go on" in first[1]

    _, out, said = purity(results, "--shots", 5, keys="9yy")

    assert "goes on with the 5 shots of " in said
    assert "5 of 5 shots answered; 1 unsure, which are not counted" in out
    assert "again to go on" not in out


def test_others_tell_the_recall_and_print_needs_no_frames(purity, results):
    purity(results, "--shots", 5, "--others", 5, keys="y" * 10)

    _, out, _ = purity(results, "--only-print", "--set", "source.path=gone.cxi")

    assert "purity of single-hit: 5 of 5 = 100.0 % (95 %: 56.6 to 100.0 %)" in out
    assert re.search(r"single-hit among \d+ others: 5 of 5", out)
    assert re.search(r"recall: \d+\.\d % \(95 %: ", out)


def test_the_run_may_have_moved(purity, results, run_folder, tmp_path):
    moved = tmp_path / "moved.cxi"
    shutil.copy(run_folder.path / "run.cxi", moved)

    code, _, _ = purity(results, "--set", f"source.path={moved}", keys="y")

    assert code == 0


def test_a_running_run_can_be_checked(purity, results):
    """As a run leaves its file until it ends: open for others to read."""
    with h5py.File(results / "results.h5", "r+", libver="latest") as file:
        file.swmr_mode = True

        code, out, _ = purity(results / "results.h5", "--shots", 3, keys="yyy")

    assert code == 0
    assert "3 of 3 shots answered" in out


def test_of_a_stream_the_saved_hits_are_shown(purity, command, tmp_path):
    folder = tmp_path / "streamed"
    settings = ("source.duration_s=1", "publish.enabled=false")
    words = [word for text in settings for word in ("--set", text)]
    ran = command("run", "demo", "--quiet", *words, "--set", f"output.folder={folder}")
    assert ran.returncode == 0, ran.stderr

    code, out, said = purity(folder, "--shots", 4, keys="yyyy")

    assert code == 0, said
    assert "the run was a stream: only the" in said
    assert "purity of single-hit: 4 of 4" in out

    (folder / "hits.cxi").unlink()
    with pytest.raises(DataError, match=r"hits\.cxi: not found; .*output.save_classes"):
        purity(folder)


def test_answers_on_another_run_are_refused(purity, results):
    purity(results, "--shots", 5, keys="y")
    with h5py.File(results / "results.h5", "r+") as file:
        rows = file["rows"][()]
        rows["score"] /= 2
        file["rows"][...] = rows

    with pytest.raises(ConfigError, match="answers on other results: shot"):
        purity(results)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--class", "sphere"], ConfigError, "sphere found, one of single-hit"),
        (["--only-print"], ConfigError, "no answers to print; leave --only-print out"),
        (
            ["--set", "source.path=gone.cxi"],
            DataError,
            "--set source.path=FILE says where",
        ),
        (["--answers", "/proc/a.json"], DataError, "/proc/a.json: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_first_shot(
    purity, results, words, error, said
):
    with pytest.raises(error, match=said):
        purity(results, *words)


def test_a_file_that_is_no_result_is_refused(purity, run_folder):
    with pytest.raises(DataError, match=r"run\.cxi: no results of a run found"):
        purity(run_folder.path / "run.cxi")
