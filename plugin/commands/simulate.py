"""``specklenn simulate``: write a labelled dataset of simulated shots."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    count,
    read_config,
)
from specklenn.plugin.parallel.mpi_job import ending_all, prepare_on_all, world
from specklenn.plugin.say import complain, say
from specklenn.plugin.signals import Stop, on_signals

if TYPE_CHECKING:
    from mpi4py import MPI

    from specklenn.core.simulation.simulation_job import SimulationJob

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if options.preview == Path():
        options.preview = options.output.with_suffix(".png")
    communicator = world()
    with ending_all(communicator):
        return _simulate(options, communicator)


def _simulate(options: argparse.Namespace, communicator: MPI.Intracomm | None) -> int:
    """Be one rank of the job."""
    rank = communicator.Get_rank() if communicator else 0

    def prepare() -> SimulationJob:
        job = read_job(options, rank)
        if rank == 0:
            _check(job, options, communicator)
        return job

    job = prepare_on_all(communicator, prepare)
    if isinstance(job, int):
        return job
    if rank > 0:
        return _work(job, communicator)
    return _lead(job, options, communicator)


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn simulate",
        description="Simulate shots of single particles, aggregates and debris. The "
        "same configuration and seed give the same file, whatever the number of "
        "processes. An interrupted simulation goes on when the same command is "
        "given again.",
        epilog="Examples:\n"
        "  specklenn simulate simulate -o run.h5 -n 1000 --preview\n"
        "  specklenn simulate my.yaml -o samples.h5 --per-class 100\n"
        "  mpirun -n 8 specklenn simulate my.yaml -o big.h5 -n 100000\n"
        "  specklenn simulate my.yaml -o live.h5 -n 7200 --live 120",
    )
    add_config_arguments(made, "simulate", "detector.distance_m=0.2")
    made.add_argument(
        "-o", "--output", type=Path, required=True, help="HDF5 file to write"
    )
    amount = made.add_mutually_exclusive_group(required=True)
    amount.add_argument(
        "-n", "--number", type=count, help="shots, classes as in the config"
    )
    amount.add_argument(
        "--per-class", type=count, help="shots of every class of every sample"
    )
    made.add_argument("--seed", type=int, help="instead of the config's")
    made.add_argument(
        "--processes",
        type=count,
        help="on this machine; one per core by default, none but the ranks under "
        "mpirun",
    )
    made.add_argument(
        "--live",
        type=float,
        metavar="HZ",
        help="write at this rate with the time of each shot, as a beamline would; "
        "shots come from a pool and the file can be read while it grows",
    )
    made.add_argument(
        "--preview",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="PNG",
        help="draw examples of every class, into OUTPUT.png if no name is given",
    )
    return made


def read_job(options: argparse.Namespace, rank: int = 0) -> SimulationJob:
    """Return what is to be simulated.

    Raises
    ------
    ConfigError
        With every problem of the configuration.
    """
    from specklenn.core.settings_file import validate
    from specklenn.core.simulation.experiment import Experiment
    from specklenn.core.simulation.sample_library import count_samples
    from specklenn.core.simulation.simulation_job import SimulationJob

    if options.live is not None and not 0 < options.live < math.inf:
        raise ConfigError(f"--live {options.live}: a rate above 0 expected")
    if options.live is not None and options.per_class:
        raise ConfigError("--live: goes together with -n, not with --per-class")
    if options.seed is not None:
        options.set.append(f"seed={options.seed}")
    document = read_config(options, rank)
    experiment = validate(Experiment, document)
    shots = options.number
    if options.per_class is not None:
        with _of_config(document.source):
            samples = count_samples(experiment)
        shots = samples * len(experiment.classes) * options.per_class
    return SimulationJob(
        experiment=experiment,
        folder=document.folders[0],
        shots=shots,
        per_class=options.per_class,
        live_Hz=options.live,
    )


@contextmanager
def _of_config(path: str) -> Iterator[None]:
    """Report unusable files that a configuration names as ConfigError."""
    try:
        yield
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from error


def _check(
    job: SimulationJob, options: argparse.Namespace, communicator: MPI.Intracomm | None
) -> None:
    """Refuse what would fail later; warn of what the detector cannot show."""
    from specklenn.core.reports.contact_sheet import require_matplotlib
    from specklenn.core.simulation.grid import load_finufft
    from specklenn.core.simulation.simulated_file import check_room, is_begun
    from specklenn.core.simulation.structures import load_gemmi

    load_finufft()
    load_gemmi()
    if options.preview is not None:
        require_matplotlib("simulate")
    for name, path in (("--output", options.output), ("--preview", options.preview)):
        if path is not None and not os.path.isdir(path.absolute().parent):
            raise ConfigError(f"{name} {path}: its folder does not exist")
    if job.live_Hz is not None and communicator and communicator.Get_size() > 1:
        raise ConfigError(
            f"--live: {communicator.Get_size()} ranks found, one process expected"
        )
    begun = is_begun(options.output, job)
    with _of_config(options.config):
        simulator = job.simulator()
        warnings = simulator.samples.check()
    if not begun:
        check_room(options.output, simulator)
    for warning in warnings:
        complain(warning, "specklenn: warning")


def _work(job: SimulationJob, communicator: MPI.Intracomm | None) -> int:
    """Be a rank that makes blocks for rank 0."""
    from specklenn.core.simulation.simulation_job import BlockMaker
    from specklenn.plugin.parallel.block_pool import send_failure, work_for_leader
    from specklenn.plugin.parallel.clock import SystemClock
    from specklenn.plugin.parallel.mpi_channel import MpiChannel

    assert communicator is not None
    channel = MpiChannel(communicator)
    try:
        work = BlockMaker(job).make
    except Exception as error:  # a file that this node does not see
        send_failure(channel, error)
        return 1
    work_for_leader(channel, work, SystemClock())
    return 0


def _lead(
    job: SimulationJob, options: argparse.Namespace, communicator: MPI.Intracomm | None
) -> int:
    """Write the file; returns the exit code."""
    from specklenn.plugin.commands import simulation_writer

    stop = Stop()
    try:
        with on_signals(stop.ask):
            if job.live_Hz is not None:
                missed = simulation_writer.write_live(job, options.output, stop)
            else:
                missed = 0
                simulation_writer.write(
                    job, options.output, options.processes, communicator, stop
                )
    except KeyboardInterrupt:
        say(f"interrupted; {_next_time(job, options.output)}")
        return _leave(INTERRUPTED, communicator)
    except DataError as error:
        complain(str(error))
        say(f"{options.output} is incomplete; {_next_time(job, options.output)}")
        # HDF5 would crash at exit, trying once more to write what it could not.
        return _leave(error.exit_code, communicator, at_once=True)
    lost = f", {missed} missed" if missed else ""
    say(f"{job.shots - missed} shots written to {options.output}{lost}")
    if options.preview is not None:
        from specklenn.core.reports.show import open_shown
        from specklenn.core.reports.shown_sheet import draw_examples

        with open_shown(options.output) as shown:
            draw_examples(options.preview, shown, options.output.name)
        say(f"examples of every class drawn into {options.preview}")
    return 0


def _next_time(job: SimulationJob, output: Path) -> str:
    """Say what the same command would do now."""
    if job.live_Hz is not None:
        return f"the same command begins {output} anew"
    return f"the same command goes on with {output}"


def _leave(
    code: int, communicator: MPI.Intracomm | None, *, at_once: bool = False
) -> int:
    """Return the exit code; with MPI, or after a failed write, end here and now.

    Ranks in the middle of a block would be waited for.
    """
    if communicator is not None or at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
