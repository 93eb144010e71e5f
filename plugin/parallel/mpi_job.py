"""How an MPI job starts and fails: the launcher's ranks, one answer of all of them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from specklenn.core.errors import (
    ConfigError,
    MissingPackageError,
    SpecklennError,
    sentence,
)
from specklenn.plugin.say import complain

if TYPE_CHECKING:
    from mpi4py import MPI

Prepared = TypeVar("Prepared")

INTERRUPTED = 130
"""Exit code of a job that somebody interrupted."""

LAUNCHER_VARIABLES = (
    "PMIX_RANK",
    "PMI_RANK",
    "OMPI_COMM_WORLD_RANK",
    "MPI_LOCALRANKID",
)
"""What MPI launchers set for their ranks: Open MPI, MPICH, Intel, srun."""


def world() -> MPI.Intracomm | None:
    """Return the job's communicator; None where no launcher started us.

    Raises
    ------
    MissingPackageError
        If a launcher started us and mpi4py or the MPI library is missing.
    ConfigError
        If the launcher started several tasks and each believes that it is alone.
    """
    if not any(name in os.environ for name in LAUNCHER_VARIABLES):
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            "this job was started by an MPI launcher, but mpi4py cannot be used "
            f'({error}); pip install "specklenn[mpi]"'
        ) from error
    tasks = int(os.environ.get("PMI_SIZE", "1"))
    if tasks > 1 and MPI.COMM_WORLD.Get_size() == 1:
        raise ConfigError(
            f"{tasks} tasks were started and each is an MPI job of one, one job "
            "expected: this MPI library does not speak the launcher's PMI; under "
            "Slurm start with srun --mpi=pmix"
        )
    return MPI.COMM_WORLD


def hostname() -> str:
    """Return the short name of this machine."""
    return os.uname().nodename.split(".")[0]


def prepare_on_all(
    communicator: MPI.Intracomm | None, prepare: Callable[[], Prepared]
) -> Prepared | int:
    """Return what this rank has prepared, or one exit code on all ranks if any failed.

    Rank 0 prints what went wrong anywhere, and on which ranks where it was not on all
    of them. The only collective of a job, before anything starts.
    """
    mine = None
    try:
        prepared = prepare()
    except SpecklennError as error:
        mine = _Failure(*_here(communicator), str(error), error.exit_code)
    except BaseException as error:  # SystemExit too: the others would wait for it
        if communicator is None:
            raise
        mine = _unforeseen(communicator, error)
    everyone = communicator.allgather(mine) if communicator else [mine]
    failures = [failure for failure in everyone if failure is not None]
    if communicator is None or communicator.Get_rank() == 0:
        _print_problems(_problems(failures, len(everyone)))
    if failures:
        return max(failure.exit_code for failure in failures)
    return prepared


@contextmanager
def ending_all(communicator: MPI.Intracomm | None) -> Iterator[None]:
    """End all ranks at once where one of them fails in any way.

    The others would wait for it for ever: a rank that leaves is awaited by MPI.
    """
    try:
        yield
    except BaseException as error:
        if communicator is None or communicator.Get_size() == 1:
            raise
        rank, host = _here(communicator)
        who = f"rank {rank} on {host}"
        if isinstance(error, KeyboardInterrupt):
            end_all(communicator, INTERRUPTED, [f"{who} was interrupted"])
        if isinstance(error, SpecklennError):
            words = [f"{who}: {line}" for line in str(error).splitlines()]
            end_all(communicator, error.exit_code, words)
        traceback.print_exc()
        end_all(communicator, 1, [f"{who} failed: {sentence(error)}"])
        raise


def end_all(communicator: MPI.Intracomm, code: int, problems: Iterable[str]) -> None:
    """Print what was wrong and end every rank of the job with one exit code."""
    _print_problems(problems)
    sys.stdout.flush()
    communicator.Abort(code)


class _Failure(NamedTuple):
    """Why a rank cannot start; sent to all."""

    rank: int
    host: str
    text: str
    exit_code: int


def _unforeseen(communicator: MPI.Intracomm, error: BaseException) -> _Failure:
    """Return why a rank cannot start, if it is no problem that we know."""
    if isinstance(error, KeyboardInterrupt):
        return _Failure(*_here(communicator), "interrupted", INTERRUPTED)
    traceback.print_exception(error)
    return _Failure(*_here(communicator), sentence(error), 1)


def _here(communicator: MPI.Intracomm | None) -> tuple[int, str]:
    return (communicator.Get_rank() if communicator else 0), hostname()


def _problems(failures: Sequence[_Failure], ranks: int) -> list[str]:
    """Return every problem once, with the ranks that have it unless all do."""
    problems: list[str] = []
    for text in dict.fromkeys(failure.text for failure in failures):
        found = [failure for failure in failures if failure.text == text]
        where = "" if len(found) == ranks else f"{_named(found)}: "
        problems.extend(where + line for line in text.splitlines())
    return problems


def _named(failures: Sequence[_Failure]) -> str:
    """Name the ranks of failures and their machines."""
    ranks = ", ".join(str(failure.rank) for failure in failures)
    hosts = ", ".join(dict.fromkeys(failure.host for failure in failures))
    return f"rank{'s' if len(failures) > 1 else ''} {ranks} on {hosts}"


def _print_problems(problems: Iterable[str]) -> None:
    for problem in problems:
        complain(problem)
