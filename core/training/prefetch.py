"""The batches of a training in order, drawn here or ahead by other processes."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from specklenn.core.errors import DataError
from specklenn.core.training.objective import Batch, Objective

AHEAD = 2
"""Batches that each drawing process keeps ready."""


def draw_batches(
    objective: Objective, parts: Sequence[int], steps: Sequence[int], workers: int
) -> Iterator[Batch]:
    """Draw the same parts of one step after another.

    Parameters
    ----------
    objective : Objective
    parts : sequence of int
    steps : sequence of int
    workers : int
        Processes that draw in the background; 0 to draw in this one. It changes no
        bit of what is drawn.

    Raises
    ------
    DataError
        If a process that draws dies.
    """
    if workers == 0:
        yield from (objective.draw(step, parts) for step in steps)
        return
    with warnings.catch_warnings():
        # Of more processes than cores, and of forking beside other threads, which
        # is safe as long as the child uses no threads: torch gives it only one.
        warnings.simplefilter("ignore")
        loader = DataLoader(
            _Drawn(objective, parts),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=AHEAD,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_to_the_trainer,
            # Forked, the processes share the patterns in memory.
            multiprocessing_context="fork" if sys.platform == "linux" else None,
        )
        # Torch would raise a dead process's error anywhere, even while we save.
        before = signal.getsignal(signal.SIGCHLD)
        drawn = iter(loader)
        signal.signal(signal.SIGCHLD, before)
    problem: str | None = None
    try:
        yield from drawn
    except (RuntimeError, ConnectionError, EOFError) as error:
        problem = str(error) or "it says nothing more"
    del drawn  # ends the other processes
    if problem is not None:
        raise DataError(f"a process that draws batches has ended: {problem}")


class _Drawn(Dataset[Batch]):
    """Batches by their steps, as torch's loader wants them."""

    def __init__(self, objective: Objective, parts: Sequence[int]) -> None:
        self._objective = objective
        self._parts = parts

    def __getitem__(self, step: int) -> Batch:
        return self._objective.draw(step, self._parts)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Let a batch system's signal to all processes end the training in good order."""
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
