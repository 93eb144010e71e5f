"""Several processes that train one network on parts of every step.

They are started by torchrun, mpirun, srun or this package itself, and tell each other
apart by the environment variables of whatever started them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

import torch
from torch import Tensor, distributed

from specklenn.core.errors import ConfigError, DataError, SpecklennError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]

DEFAULT_PORT = 29500
FIRST_PORT, PORTS = 20_000, 12_000
"""Below those that systems hand out by themselves."""

MEETING = timedelta(minutes=5)
"""How long ranks wait for each other at the start."""

LONGEST_STEP = timedelta(minutes=60)
"""How long ranks wait for one that validates or saves."""


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
class RankInfo:
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


class LostRank(DataError):  # noqa: N818 - the name says what happened
    """Another process of the training ended before its time."""


@dataclass(frozen=True)
class Ranks:
    """One process of a training and what it exchanges with the others.

    Parameters
    ----------
    rank, number : int
        Alone by default.
    local_rank : int
        Of the processes on this machine.
    """

    rank: int = 0
    number: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which validates, saves and logs."""
        return self.rank == 0

    def share(self, parts: int) -> range:
        """Return which of the parts of a step are this rank's.

        Raises
        ------
        ConfigError
            If the ranks cannot have equally many.
        """
        if parts % self.number:
            raise ConfigError(
                f"{parts} episodes or samples in a step cannot be shared out evenly "
                f"among {self.number} ranks: take a number that divides {parts}"
            )
        each = parts // self.number
        return range(self.rank * each, (self.rank + 1) * each)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over all ranks, in one exchange.

        Parameters
        ----------
        tensors : sequence of float32 Tensor
            Of the same shapes and on the same kind of device on every rank.
        """
        if self.number == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _together():
            distributed.all_reduce(flat)
        flat /= self.number
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, mean in zip(tensors, torch.split(flat, sizes), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def gather(self, text: str) -> list[str]:
        """Return the texts of all ranks, in order."""
        if self.number == 1:
            return [text]
        content = torch.tensor(list(text.encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.number)]
        with _together():
            distributed.all_gather(lengths, torch.tensor([len(content)]))
            longest = max(int(length) for length in lengths)
            padded = torch.zeros(longest + 1, dtype=torch.uint8)
            padded[: len(content)] = content
            found = [torch.zeros_like(padded) for _ in lengths]
            distributed.all_gather(found, padded)
        return [
            bytes(one[: int(length)].tolist()).decode()
            for one, length in zip(found, lengths, strict=True)
        ]

    def agree(self, problem: SpecklennError | None) -> None:
        """Go on only if no rank has a problem.

        Raises
        ------
        ConfigError, DataError
            On every rank, with what the first rank with a problem says; it is named
            unless all say the same.
        """
        told = self.gather(f"{problem.exit_code} {problem}" if problem else "")
        for rank, text in enumerate(told):
            if text:
                code, _, words = text.partition(" ")
                words = words if len({*told}) == 1 else f"rank {rank}: {words}"
                raise ConfigError(words) if code == "2" else DataError(words)

    def leave_last(self) -> None:
        """Wait until rank 0 has ended; before that, launchers would end it."""
        if not self.first:
            try:
                self.gather("")
            except LostRank:
                return


ALONE = Ranks()


def find_rank(environment: Mapping[str, str]) -> RankInfo | None:
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
            return _info(environment, launcher)
    return None


def _info(environment: Mapping[str, str], launcher: Launcher) -> RankInfo | None:
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
    return RankInfo(
        rank=int(environment[launcher.rank]),
        number=number,
        local_rank=int(environment.get(launcher.local_rank, 0)),
        address=address,
        port=int(port),
    )


def _port(job: str) -> int:
    """Return a port that all ranks of a job find by themselves."""
    return FIRST_PORT + zlib.crc32(job.encode()) % PORTS if job else DEFAULT_PORT


@contextmanager
def joined(info: RankInfo | None) -> Iterator[Ranks]:
    """Join the processes of a job for the length of a ``with`` block.

    Parameters
    ----------
    info : RankInfo or None
        None for a process on its own.

    Raises
    ------
    LostRank
        If not all of them come.
    """
    if info is None:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store = distributed.TCPStore(  # type: ignore[attr-defined]
            info.address, info.port, info.number, info.rank == 0, MEETING
        )
        distributed.init_process_group(
            backend,
            store=store,
            rank=info.rank,
            world_size=info.number,
            timeout=LONGEST_STEP,
        )
    except RuntimeError as error:
        raise LostRank(
            f"rank {info.rank} of {info.number} did not meet the others at "
            f"{info.address}:{info.port}: {str(error).splitlines()[0]}"
        ) from error
    try:
        yield Ranks(info.rank, info.number, info.local_rank)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostRank(
            "another process of this training has ended; it says why itself, unless "
            "it was killed"
        ) from error


def choose_device(wanted: Device, local_rank: int = 0) -> torch.device:
    """Return the device of a process.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda"}
        A graphics card if there is one, by default.
    local_rank : int
        Of the processes on this machine; each has a card of its own.

    Raises
    ------
    ConfigError
        If there is no card for this process.
    """
    cards = torch.cuda.device_count()
    if wanted == "cpu" or (wanted == "auto" and cards == 0):
        return torch.device("cpu")
    if local_rank >= cards:
        raise ConfigError(
            f"device: {wanted}, but PyTorch {torch.__version__} finds {cards} graphics "
            f"cards here, {local_rank + 1} needed, one for each process"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def use_bfloat16(wanted: Precision, device: torch.device) -> bool:
    """Return whether the network computes in bfloat16: on cards that can, if open."""
    if wanted == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return wanted == "bfloat16"
