"""What objectives have in common: the batch of a training step, and its loss.

A step is made of parts, samples or episodes, each drawn from random numbers of its
own. So a step shows the same whoever draws which of its parts, and when.

Episodes (`episodic_objective`, loss in `episodic_loss`) made the packaged model,
triplets (`triplet_objective`, loss in `triplet_loss`) are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from specklenn.core.training.episodic_loss import AdaptFn


@dataclass(frozen=True, kw_only=True, eq=False)
class ForwardFns:
    """A network as objectives use it: all they give and get is float32 on the CPU.

    Parameters
    ----------
    embed : function
        Inputs (B, 1, side, side) to unit vectors (B, D).
    adapt : function or None
        That of its `core.network.prototype_adapter.PrototypeAdapter`, if any.
    project : function or None
        What its convolutions give, (B, C), to unit vectors (B, D).
    """

    embed: Callable[[Tensor], Tensor]
    adapt: AdaptFn | None = None
    project: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Parts of one step, ready for the network.

    Parameters
    ----------
    inputs : (B, 1, side, side) float32
        Or what the convolutions make of them, (B, C), if only the layers after these
        learn.
    rows : (B,) int64
        Of the training data.
    seed : int
        For what is drawn when the loss is computed.
    """

    inputs: Tensor
    rows: Tensor
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class LossOutput:
    """The loss of one batch.

    Parameters
    ----------
    loss : () Tensor
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative; not a number without
        triplets.
    """

    loss: Tensor
    semi_hard_share: float = float("nan")


class Objective(Protocol):
    """Draws batches and computes their losses."""

    @property
    def parts(self) -> int:
        """How many parts a step has."""

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return some parts of a step, by their numbers from 0."""

    def compute_loss(self, network: ForwardFns, batch: Batch) -> LossOutput:
        """Return the loss of a batch."""

    def failure_hint(self, batch: Batch) -> str:
        """Say what a batch held and what may help, where its loss is not finite."""


def part_stream(seed: int, step: int, part: int) -> torch.Generator:
    """Return the random numbers that a part of a step is drawn from."""
    # From 1: a zero at the end changes nothing, and the step has a stream as well.
    return seeded(seed, step, part + 1)


def seeded(*numbers: int) -> torch.Generator:
    """Return the random numbers of some integers."""
    return torch.Generator().manual_seed(mixed(*numbers))


def mixed(*numbers: int) -> int:
    """Return a seed made of some integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def joined(
    inputs: Sequence[Tensor],
    rows: Sequence[Tensor],
    seed: int,
    step: int,
    parts: Sequence[int],
) -> Batch:
    """Put parts of a step together; what is drawn later depends on which they are."""
    return Batch(
        inputs=torch.cat(tuple(inputs)),
        rows=torch.cat(tuple(rows)),
        seed=mixed(seed, step, *parts, len(parts)),
    )
