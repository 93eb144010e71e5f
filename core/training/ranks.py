"""Several processes that train one network on parts of every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from specklenn.core.errors import ConfigError, DataError, SpecklennError
from specklenn.core.training.launcher import Place

MEETING = timedelta(minutes=5)
"""How long ranks wait for each other at the start."""

LONGEST_STEP = timedelta(minutes=60)
"""How long ranks wait for one that validates or saves."""


class LostRank(DataError):  # noqa: N818 - the name says what happened
    """Another process of the training ended before its time."""


class Ranks:
    """One process of a training and what it exchanges with the others.

    Parameters
    ----------
    rank, number : int
        Alone by default.
    local_rank : int
        Of the processes on this machine.
    """

    def __init__(self, rank: int = 0, number: int = 1, local_rank: int = 0) -> None:
        self.rank = rank
        self.number = number
        self.local_rank = local_rank

    @property
    def first(self) -> bool:
        """Whether this is the one that validates, saves and talks."""
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
                f"{parts} scenes or samples in a step cannot be shared out evenly "
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
            On every rank, with what the first rank with a problem says.
        """
        told = self.gather(f"{problem.exit_code} {problem}" if problem else "")
        for text in filter(None, told):
            code, _, words = text.partition(" ")
            raise ConfigError(words) if code == "2" else DataError(words)

    def leave_last(self) -> None:
        """Wait until rank 0 has ended; before that, launchers would end it."""
        if not self.first:
            try:
                self.gather("")
            except LostRank:
                return


ALONE = Ranks()


@contextmanager
def joined(place: Place | None) -> Iterator[Ranks]:
    """Join the processes of a job for the length of a ``with`` block.

    Parameters
    ----------
    place : Place or None
        None for a process on its own.

    Raises
    ------
    LostRank
        If not all of them come.
    """
    if place is None:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store = distributed.TCPStore(  # type: ignore[attr-defined]
            place.address, place.port, place.number, place.rank == 0, MEETING
        )
        distributed.init_process_group(
            backend,
            store=store,
            rank=place.rank,
            world_size=place.number,
            timeout=LONGEST_STEP,
        )
    except RuntimeError as error:
        raise LostRank(
            f"rank {place.rank} of {place.number} did not meet the others at "
            f"{place.address}:{place.port}: {str(error).splitlines()[0]}"
        ) from error
    try:
        yield Ranks(place.rank, place.number, place.local_rank)
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
