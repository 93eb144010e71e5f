"""Whatever fails on one rank of a job: it is named, and no rank waits for ever."""

import os
import shutil
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

MPIRUN = str(Path(sys.executable).parent / "mpirun")
PATIENCE_S = 120
"""Far more than the job needs; before, it hung."""

BROKEN = """\
#!{python}
# Like `specklenn`, but one rank breaks at one place.
import os, sys
from specklenn.core.errors import DataError
from specklenn.plugin import cli
from specklenn.plugin.commands import run, simulate
from specklenn.plugin.job import Job

def broken(*_, **__):
    raise {error}

if os.environ["OMPI_COMM_WORLD_RANK"] == "{rank}":
    {place} = broken
del sys.argv[0]  # behind this script `specklenn` is named, which is not called
sys.exit(cli.main())
"""

FAILURES = {
    "a library while it prepares": (
        (1, "Job.__init__", "OSError('filter failed')"),
        (1, ": OSError: filter failed"),
    ),
    "our own check on one node": (
        (1, "Job.__init__", "DataError('a.h5: no such file')"),
        (1, ": a.h5: no such file"),
    ),
    "a package that exits": (
        (1, "Job.__init__", "SystemExit(0)"),
        (1, " failed: SystemExit: 0"),
    ),
    "the collector's files": (
        (0, "Job.collector", "DataError('run.log: disk full')"),
        (1, ": run.log: disk full"),
    ),
    "a worker before its loop": (
        (1, "Job.worker", "ZeroDivisionError('x')"),
        (1, " failed: ZeroDivisionError: x"),
    ),
    "an interrupt of one": (
        (1, "Job.run_worker", "KeyboardInterrupt"),
        (130, " was interrupted"),
    ),
}


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def broken_command(folder, rank, place, error):
    text = BROKEN.format(python=sys.executable, rank=rank, place=place, error=error)
    return script(folder / "broken", text)


def host():
    return os.uname().nodename.split(".")[0]


@pytest.mark.parametrize(("failure", "told"), FAILURES.values(), ids=FAILURES)
def test_a_rank_that_fails_alone_is_named_and_all_end(
    failure, told, run_folder, command, tmp_path
):
    broken = broken_command(tmp_path, *failure)
    code, words = told

    done = command(
        *("run", run_folder.config, "--set", f"output.folder={tmp_path}/out"),
        launcher=[MPIRUN, "-n", "2", str(broken)],
        timeout=PATIENCE_S,
    )

    assert done.returncode == code, done.stderr
    named = f"specklenn: error: rank {failure[0]} on {host()}{words}"
    assert done.stderr.count(named) == 1


def test_a_node_with_a_damaged_copy_of_the_file_is_named(run_folder, command, tmp_path):
    for rank in range(3):
        shutil.copytree(run_folder.path, tmp_path / f"node{rank}")
    with (tmp_path / "node2/run.cxi").open("r+b") as damaged:
        damaged.truncate(5000)
    at_node = script(
        tmp_path / "at_node",
        f'#!/bin/sh\ncd {tmp_path}/node$OMPI_COMM_WORLD_RANK && exec "$@"\n',
    )

    done = command(
        *("run", "run.yaml", "--set", f"output.folder={tmp_path}/out"),
        launcher=[MPIRUN, "-n", "3", str(at_node)],
        timeout=PATIENCE_S,
    )

    assert done.returncode == 2
    problems = [line for line in done.stderr.splitlines() if "specklenn: error" in line]
    assert "truncated HDF5 file" in problems[0]
    named = f"specklenn: error: rank 2 on {host()}: "
    assert all(line.startswith(named) for line in problems)


def test_a_rank_without_mpi4py_ends_the_job(run_folder, command, tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('libmpi.so: not found')\n")
    without = script(
        tmp_path / "without",
        "#!/bin/sh\n"
        f'[ "$OMPI_COMM_WORLD_RANK" = 1 ] && export PYTHONPATH="{tmp_path}:$PYTHONPATH"'
        '\nexec "$@"\n',
    )

    done = command(
        *("run", run_folder.config, "--set", f"output.folder={tmp_path}/out"),
        launcher=[MPIRUN, "-n", "3", str(without)],
        timeout=PATIENCE_S,
    )

    assert done.returncode == 2
    assert "mpi4py cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("rank", "place"), [(1, "simulate.read_job"), (0, "simulate._lead")]
)
def test_a_rank_of_a_simulation_that_fails_alone_is_named_and_all_end(
    rank, place, command, tmp_path
):
    broken = broken_command(tmp_path, rank, place, "RuntimeError('no memory left')")

    done = command(
        *("simulate", "simulate", "-o", tmp_path / "run.h5", "-n", "8"),
        launcher=[MPIRUN, "-n", "2", str(broken)],
        timeout=PATIENCE_S,
    )

    assert done.returncode == 1, done.stderr
    assert f"rank {rank} on {host()}" in done.stderr
    assert "RuntimeError: no memory left" in done.stderr
