"""How an MPI job starts: the launcher's ranks, and one answer of all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from specklenn.core.errors import ConfigError, MissingPackageError, SpecklennError

if TYPE_CHECKING:
    from mpi4py import MPI

Prepared = TypeVar("Prepared")

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

    Rank 0 prints what went wrong anywhere. The only collective of a job, before
    anything starts.
    """
    mine = None
    try:
        prepared = prepare()
    except SpecklennError as error:
        mine = (str(error), error.exit_code)
    everyone = communicator.allgather(mine) if communicator else [mine]
    found = [item for item in everyone if item is not None]
    if communicator is None or communicator.Get_rank() == 0:
        for text in dict.fromkeys(text for text, _ in found):
            for line in text.splitlines():
                print(f"specklenn: error: {line}", file=sys.stderr)
        sys.stderr.flush()
    return max(code for _, code in found) if found else prepared
