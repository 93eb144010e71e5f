"""``specklenn run``: the main job, on one process or on many under mpirun."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from specklenn.core.config.loading import LoadedConfig, check_config
from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    add_quiet_argument,
    read_config,
)
from specklenn.plugin.job import Job, check_command
from specklenn.plugin.parallel.mpi_job import ending_all, prepare_on_all, world

if TYPE_CHECKING:
    from mpi4py import MPI


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn run",
        description="Classify a run, live or from files, on all ranks of an MPI job.",
        epilog="Examples:\n"
        "  specklenn run demo\n"
        "  mpirun -n 5 specklenn run my.yaml\n"
        "  mpirun -n 5 specklenn run my.yaml --set source.path=run.cxi\n"
        "Rank 0 gathers, the others work; a job of one does both.\n"
        "Watch it with `specklenn monitor`; judge it with `specklenn purity`.",
    )
    add_config_arguments(made)
    made.add_argument(
        "--allow-control",
        action="store_true",
        help="let `specklenn swap` change model and supports while it runs; short for "
        "--set control.enabled=true",
    )
    add_quiet_argument(made)
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.allow_control:
        options.set.append("control.enabled=true")
    communicator = world()
    with ending_all(communicator):
        return _run(options, communicator)


def _run(options: argparse.Namespace, communicator: MPI.Intracomm | None) -> int:
    """Be one rank of the job."""
    rank = communicator.Get_rank() if communicator else 0
    size = communicator.Get_size() if communicator else 1

    def prepare() -> Job:
        loaded = check_config(read_config(options, rank))
        check_command(loaded, "run")
        _await_start(loaded, rank)
        return Job(loaded, rank, size)

    job = prepare_on_all(communicator, prepare)
    if isinstance(job, int):
        return job
    if size == 1 or communicator is None:
        return job.run_alone(options.quiet)
    from specklenn.plugin.parallel.mpi_channel import MpiChannel

    channel = MpiChannel(communicator)
    if rank == 0:
        return job.run_collector(channel, options.quiet)
    return job.run_worker(channel)


def _await_start(loaded: LoadedConfig, rank: int) -> None:
    """Wait until there is something to open; rank 0 says what is awaited."""
    source = loaded.settings.source
    try:
        source.await_start(loaded.folder, _say if rank == 0 else _keep_quiet)
    except DataError as error:
        raise ConfigError(f"{loaded.where('source', 'path')}: {error}") from error


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _keep_quiet(words: str) -> None:
    """Let rank 0 alone say it."""
