"""Which of several processes this one is, from whatever started them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from specklenn.core.errors import ConfigError

DEFAULT_PORT = 29500
FIRST_PORT, PORTS = 20_000, 12_000
"""Below those that systems hand out by themselves."""


class Launcher(NamedTuple):
    """The environment variables by which a launcher tells its processes apart."""

    rank: str
    number: str
    local_rank: str
    local_number: str
    job: str


LAUNCHERS = (
    Launcher("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", ""),
    Launcher(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        "PMIX_NAMESPACE",
    ),
    Launcher("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", ""),
    # Not SLURM_NTASKS, which a batch script has as well, before any srun.
    Launcher(
        "SLURM_PROCID",
        "SLURM_STEP_NUM_TASKS",
        "SLURM_LOCALID",
        "SLURM_STEP_TASKS_PER_NODE",
        "SLURM_JOB_ID",
    ),
)
"""torchrun and this package itself; Open MPI; MPICH and Intel; srun."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One process among those of a job.

    Parameters
    ----------
    rank, number : int
        This process and how many there are.
    local_rank : int
        Of the processes on this machine.
    address : str
        Host of rank 0.
    port : int
        Where rank 0 awaits the others.
    """

    rank: int
    number: int
    local_rank: int
    address: str
    port: int


def find_place(environment: Mapping[str, str]) -> Place | None:
    """Return which process this is; None where it is the only one.

    Parameters
    ----------
    environment : mapping of str to str
        Environment variables. MASTER_ADDR and MASTER_PORT, if there are any, say
        where rank 0 is; on one machine nothing needs to be said.

    Raises
    ------
    ConfigError
        If ranks run on several machines and nothing says where rank 0 is.
    """
    for launcher in LAUNCHERS:
        if launcher.rank in environment and launcher.number in environment:
            return _place(environment, launcher)
    return None


def _place(environment: Mapping[str, str], launcher: Launcher) -> Place | None:
    number = int(environment[launcher.number])
    if number == 1:
        return None
    together = environment.get(launcher.local_number) == str(number)
    address = environment.get("MASTER_ADDR", "127.0.0.1" if together else "")
    if not address:
        raise ConfigError(
            f"{number} ranks on several machines and no MASTER_ADDR in the "
            "environment: set it to the host of rank 0"
        )
    port = environment.get("MASTER_PORT") or _port(environment.get(launcher.job, ""))
    return Place(
        rank=int(environment[launcher.rank]),
        number=number,
        local_rank=int(environment.get(launcher.local_rank, 0)),
        address=address,
        port=int(port),
    )


def _port(job: str) -> int:
    """Return a port that all ranks of a job find by themselves."""
    return FIRST_PORT + zlib.crc32(job.encode()) % PORTS if job else DEFAULT_PORT
