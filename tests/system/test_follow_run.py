"""A run on real MPI ranks that is fitted to its own hits, and its replay."""

import h5py
import numpy as np
import pytest

from specklenn.core.hit_sample import MOST_HITS, sampled_shots

WORKERS = 3


def read(folder):
    with h5py.File(folder / "results.h5") as file:
        return file["rows"][()], file["versions"][()]


@pytest.fixture(scope="module")
def make_run(run_folder, command, tmp_path_factory):
    def make(*settings, ranks=WORKERS + 1):
        folder = tmp_path_factory.mktemp("o")
        chosen = ("classify.rule=ensemble", f"output.folder={folder}", *settings)
        flags = [word for setting in chosen for word in ("--set", setting)]
        small = ["--set", "loop.batch_shots=8", "--set", "loop.lease_shots=16"]
        done = command("run", run_folder.config, "--quiet", *small, *flags, ranks=ranks)
        assert done.returncode == 0, done.stderr
        return folder

    return make


@pytest.fixture(scope="module")
def followed(make_run):
    return make_run("classify.follow_run=true")


@pytest.mark.mpi
def test_every_row_names_a_fit_and_all_ranks_have_used_it(followed, run_folder):
    rows, versions = read(followed)

    assert sorted(rows["index"]) == list(range(run_folder.shots))
    assert versions["fit_version"].tolist() == [0, 1, 2, 3]
    assert (np.diff(versions["fit_rows"].astype(int)) > 0).all()
    assert set(rows["fit_version"]) <= set(versions["fit_version"])
    first_fit = rows[rows["fit_version"] > 0]
    assert set(first_fit["rank"]) == set(range(1, WORKERS + 1))


@pytest.mark.mpi
def test_no_row_has_a_fit_that_was_made_of_later_rows(followed):
    rows, versions = read(followed)

    for version in versions[1:]:
        begun = np.flatnonzero(rows["fit_version"] == version["fit_version"])
        assert begun.min(initial=len(rows)) >= version["fit_rows"]
        sampled = sampled_shots(rows[: version["fit_rows"]], 1)
        assert 64 <= len(sampled) <= MOST_HITS


@pytest.mark.mpi
def test_the_log_says_when_it_was_fitted(followed):
    log = (followed / "run.log").read_text()

    assert log.count(" to hits of the run after ") == 3


@pytest.mark.mpi
def test_the_replay_gives_the_same_rows(followed, command, tmp_path):
    done = command("replay", followed, cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "600 rows made anew: 600 with the same label and flags" in done.stdout


@pytest.fixture(scope="module")
def alone(make_run):
    return make_run("classify.follow_run=true", ranks=1)


def test_a_job_of_one_is_fitted_and_its_replay_notices_other_fits(alone, command):
    good = command("replay", alone)
    with h5py.File(alone / "results.h5", "r+") as file:
        versions = file["versions"][()]
        versions["fit_rows"][1:] //= 2
        file["versions"][...] = versions
    bad = command("replay", alone)

    assert versions["fit_version"].tolist() == [0, 1, 2, 3]
    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + bad.stdout
    assert "scores differ by at most" in bad.stdout


def test_until_the_first_fit_rows_are_those_of_a_run_that_is_not_followed(
    make_run, alone
):
    (plain, versions), (fitted, _) = read(make_run(ranks=1)), read(alone)
    before = fitted[fitted["fit_version"] == 0]
    same = plain[np.searchsorted(plain["index"], before["index"])]

    assert versions["fit_version"].tolist() == [0]
    assert set(plain["fit_version"]) == {0}
    assert len(before) > 64
    for field in ("index", "label", "score", "distances", "flags"):
        np.testing.assert_array_equal(before[field], same[field])


def test_a_rule_that_learns_nothing_from_hits_is_refused(run_folder, command):
    done = command(
        "config", "check", run_folder.config, "--set", "classify.follow_run=true"
    )

    assert done.returncode == 2
    assert "classify.follow_run: true found with the rule 'mean'" in done.stderr
    assert "expected 'ensemble' or follow_run: false" in done.stderr


@pytest.mark.parametrize("made", ["nothing", "no results"])
def test_what_is_no_run_cannot_be_replayed(command, tmp_path, made):
    if made == "no results":
        (tmp_path / "results.h5").write_text("no")

    done = command("replay", tmp_path)

    assert done.returncode == 1
    assert f"{tmp_path}/results.h5: no results of a run of this version" in done.stderr
