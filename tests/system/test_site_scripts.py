"""The scripts of examples/site: clean, and doing what their heads say."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.plugin import packaged_configs

SITE = Path(__file__).parents[2] / "examples/site"
SCRIPTS = sorted(SITE.glob("*.sh"))
LIVE = """\
source:
  kind: simulated
  rate_Hz: 40
  duration_s: 600
  experiment:
    procedural: {{count: 1, seed: 5, atoms: [10000, 12000]}}
    fractions: {{no-hit: 0.5, single-hit: 0.5}}
    pool: 4
publish: {{enabled: false}}
support: {{file: {support}/demo.yaml}}
model: {{weights: {weights}}}
"""
RUN = ["specklenn", "run", "{config}", "--quiet", "--set", "run.number={{run}}"]
RUN += ["--set", "output.folder=o/r{{run}}-{{start}}"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean(script):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_scripts_can_be_started():
    assert [path.name for path in SCRIPTS] == [
        "mpirun_nodes.sh",
        "slurm.sh",
        "start_with_daq.sh",
    ]
    assert all(os.access(path, os.X_OK) for path in SCRIPTS)


SRUN = """\
#!/bin/sh
[ "$1" = --mpi=list ] && echo "MPI plugin types are... none {plugins}" && exit
echo "srun $*"
"""


@pytest.mark.parametrize(
    ("plugins", "chosen", "code", "words"),
    [
        (
            "pmix pmi2",
            "",
            0,
            "srun --mpi=pmix --cpu-bind=cores specklenn run a --set b",
        ),
        ("pmi2", "", 2, "this Slurm has no --mpi=pmix"),
        ("pmi2", "pmi2", 0, "srun --mpi=pmi2 --cpu-bind=cores specklenn run a --set b"),
    ],
)
def test_slurm_starts_all_ranks_with_one_srun_or_refuses(
    tmp_path, plugins, chosen, code, words
):
    """On a stand-in for srun; docs/operating.md says what a real one did."""
    (tmp_path / "srun").write_text(SRUN.format(plugins=plugins))
    (tmp_path / "srun").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if chosen:
        environment["SPECKLENN_MPI"] = chosen

    done = subprocess.run(
        [SITE / "slurm.sh", "a", "--set", "b"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == code
    assert words in done.stdout + done.stderr


class Daq:
    """start_with_daq.sh, and the file in which a test writes the run's number."""

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "daq.log"
        self.run_file = folder / "run"
        self.process = None

    def start(self, *words, watch=("--run-file", "run"), **settings):
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "POLL_S": "0.1",
            "STOP_S": "60",
            **settings,
        }
        self.process = subprocess.Popen(
            [SITE / "start_with_daq.sh", *watch, "--", *words],
            cwd=self.folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, ready):
        deadline = time.monotonic() + 200
        while not ready():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def wait_for(self, words):
        self.wait_until(lambda: words in self.said)

    def stop(self):
        self.process.terminate()
        return self.ended()[0]

    def ended(self):
        """Exit code and what the script said to whoever started it."""
        _, problem = self.process.communicate(timeout=120)
        return self.process.returncode, problem

    @property
    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    @property
    def results(self):
        return sorted(self.folder.glob("o/*/results.h5"))


@pytest.fixture
def daq(tmp_path):
    made = Daq(tmp_path)
    yield made
    if made.process.returncode is None:
        made.stop()


def words_for(config):
    return [word.format(config=config) for word in RUN]


@pytest.mark.slow
def test_every_run_of_the_daq_is_one_of_ours(daq, run_folder):
    daq.start(*words_for(run_folder.config))
    daq.wait_for("waits for run")
    daq.run_file.write_text("not yet\n")
    daq.run_file.write_text("0094\n")
    daq.wait_for("run 94: exit code 0")
    daq.run_file.write_text("95\n")
    daq.wait_for("run 95: exit code 0")

    assert daq.stop() == 0
    assert [path.parent.name[:4] for path in daq.results] == ["r94-", "r95-"]
    for path, number in zip(daq.results, (94, 95), strict=True):
        with h5py.File(path) as file:
            assert len(file["rows"]) == run_folder.shots
            assert set(file["rows"]["run"]) == {number}
    assert not (daq.folder / "daq.pid").exists()


@pytest.mark.slow
def test_a_live_run_ends_with_its_number_and_with_the_script(
    daq, run_folder, count_rows
):
    (daq.folder / "live.yaml").write_text(
        LIVE.format(
            support=packaged_configs.folder() / "support",
            weights=run_folder.path / "w.safetensors",
        )
    )
    daq.run_file.write_text("1")
    daq.start(*words_for("live.yaml"))
    daq.wait_until(lambda: sum(map(count_rows, daq.results)) > 20)
    daq.run_file.write_text("2")
    daq.wait_for("run 1 is over")
    daq.wait_until(lambda: len(daq.results) == 2 and count_rows(daq.results[1]) > 20)

    code = daq.stop()

    assert code == 0
    assert "is killed" not in daq.said
    for path in daq.results:  # both were closed: no SWMR needed
        with h5py.File(path) as file:
            index = file["rows"]["index"]
        assert len(np.unique(index)) == len(index) > 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(daq.said.split("stops process ")[-1].split()[0]), 0)


def test_what_fails_is_started_again_after_ever_longer_pauses(daq):
    daq.run_file.write_text("7")
    daq.start("false", LONGEST_S="2")
    daq.wait_until(lambda: daq.said.count("again in 2 s") == 2)

    assert daq.stop() == 0
    assert daq.said.count("again in 1 s") == 1
    assert daq.said.count("starts: false") >= 3


def test_a_wrong_configuration_is_not_tried_again(daq):
    daq.run_file.write_text("7")
    daq.start("specklenn", "run", "missing.yaml")

    assert daq.ended()[0] == 2
    assert "specklenn: error: " in daq.said
    assert "missing.yaml" in daq.said
    assert daq.said.count("starts:") == 1


def test_a_command_that_is_missing_is_not_tried_again(daq):
    daq.run_file.write_text("7")
    daq.start("no-such-command")

    assert daq.ended()[0] == 2


def test_a_run_can_begin_when_something_appears(daq):
    daq.start("echo", "{run}", "goes on", watch=("--appears", "shared"))
    daq.wait_for("waits for shared")
    (daq.folder / "shared").mkdir()
    daq.wait_for("exit code 0")
    (daq.folder / "shared").rmdir()
    daq.wait_for("waits for shared again")
    (daq.folder / "shared").write_text("")
    daq.wait_until(lambda: daq.said.count("exit code 0") == 2)

    assert daq.stop() == 0
    assert daq.said.count("\n{run} goes on\n") == 2


def test_what_does_not_end_when_told_to_is_killed(daq):
    daq.run_file.write_text("7")
    deaf = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    daq.start("bash", "-c", deaf, STOP_S="1")
    daq.wait_for("\ndeaf")

    assert daq.stop() == 0
    assert "did not end within 1 s and is killed" in daq.said


def test_only_one_can_work_in_a_folder(daq):
    daq.start("true")
    daq.wait_for("waits for run")
    other = Daq(daq.folder)
    other.start("true")

    code, problem = other.ended()

    assert code == 2
    assert "daq.pid: another one is at work here" in problem
    assert int((daq.folder / "daq.pid").read_text()) == daq.process.pid


@pytest.mark.parametrize(
    "words", [[], ["--run-file", "run", "true"], ["--other", "run", "--", "true"]]
)
def test_wrong_usage_is_said_and_ends_with_2(tmp_path, words):
    done = subprocess.run(
        [SITE / "start_with_daq.sh", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("start_with_daq.sh: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
