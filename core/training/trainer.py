"""Trains a network on an objective, step by step: the one trainer of the package."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from timeit import repeat
from typing import cast

import torch
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.network.registry import Network
from specklenn.core.training.objective import Batch, ForwardFns, LossOutput, Objective
from specklenn.core.training.optimiser import load_moments, make_average, moments
from specklenn.core.training.prefetch import draw_batches
from specklenn.core.training.ranks import ALONE, Ranks
from specklenn.core.training.throughput import Throughput

REPEATS = 3
"""Measurements of a throughput; the fastest counts."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one training step did, on all ranks together.

    Parameters
    ----------
    step : int
        Counted from 1.
    loss : float
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative; not a number without
        triplets.
    learning_rate : float
    patterns : int
        That were shown.
    stopping : bool
        Whether any rank was asked to stop before this step; the same on all.
    """

    step: int
    loss: float
    semi_hard_share: float
    learning_rate: float
    patterns: int
    stopping: bool


class Trainer:
    """One training: its network, optimiser, weight average and how far it is.

    Parameters
    ----------
    network : Network
        On its device, in training or evaluation mode as it shall stay: in evaluation
        mode statistics of batch normalisation are not learned. Parameters that
        require no gradient stay as they are.
    objective : Objective
    optimiser : torch.optim.Optimizer
        Of the parameters that learn.
    learning_rate : function
        From the number of steps done to the learning rate of the next.
    steps : int
        How many to make, those before an interruption included.
    average : float
        Decay of an exponential moving average of the weights; 0 for none.
    ranks : Ranks
        The processes that train together, each its parts of every step.
    bfloat16 : bool
        Whether the network computes in half the bits where that does no harm.

    Raises
    ------
    ConfigError
        If the parts of a step cannot be shared out among the ranks.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        optimiser: torch.optim.Optimizer,
        learning_rate: Callable[[int], float],
        steps: int,
        *,
        average: float = 0.0,
        ranks: Ranks = ALONE,
        bfloat16: bool = False,
    ) -> None:
        self._network = network
        self._objective = objective
        self._optimiser = optimiser
        self._learning_rate = learning_rate
        self._last_step = steps
        self._average = make_average(network, average) if average else None
        self._ranks = ranks
        self._parts = ranks.share(objective.parts)
        self._device = next(network.parameters()).device
        self._bfloat16 = bfloat16
        self._steps_done = 0
        self._stop_asked = False

    @property
    def steps_done(self) -> int:
        """Steps made so far."""
        return self._steps_done

    @property
    def last_step(self) -> int:
        """Steps to make in all."""
        return self._last_step

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""
        return self._ranks

    def steps(self, workers: int = 0) -> Iterator[Step]:
        """Make the steps that are left; gives every one.

        Parameters
        ----------
        workers : int
            Processes that draw batches in the background; 0 to draw between the steps.

        Raises
        ------
        DataError
            If the loss or a gradient is not finite, or a process that draws dies.
        """
        left = range(self._steps_done, self._last_step)
        for batch in draw_batches(self._objective, self._parts, left, workers):
            yield self.step(batch)

    def step(self, batch: Batch | None = None) -> Step:
        """Make one step.

        Parameters
        ----------
        batch : Batch, optional
            This rank's parts of the step, drawn here if they are not given.

        Raises
        ------
        DataError
            If the loss or a gradient is not finite; the weights stay as they were.
        """
        batch = batch or self._draw()
        rate = self._learning_rate(self._steps_done)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss, share, stopping = self._exchange(batch, self._compute_gradients(batch))
        self._optimiser.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        self._steps_done += 1
        return Step(
            step=self._steps_done,
            loss=loss,
            semi_hard_share=share,
            learning_rate=rate,
            patterns=len(batch.rows) * self._ranks.number,
            stopping=stopping,
        )

    def ask_to_stop(self) -> None:
        """Have all ranks told, by the next step, that the training is to end."""
        self._stop_asked = True

    def average_statistics(self) -> None:
        """Give all ranks the same statistics of batch normalisation, their means."""
        networks = (self._network, self._average)
        buffers = [
            item for one in networks if one is not None for item in one.buffers()
        ]
        self._ranks.average([item for item in buffers if item.is_floating_point()])

    def trained(self) -> Network:
        """Return a copy of what is validated and saved: on the CPU, not training."""
        average = self._average
        source = self._network if average is None else cast(Network, average.module)
        return copy.deepcopy(source).cpu().eval()

    def state(self) -> dict[str, Tensor]:
        """Return everything that `load_state` needs, by name."""
        parts = {
            "network": self._network.state_dict(),
            "optimiser": moments(self._optimiser),
            "average": {} if self._average is None else self._average.state_dict(),
        }
        tensors = {
            f"{part}.{name}": value.contiguous()
            for part, values in parts.items()
            for name, value in values.items()
        }
        return tensors | {"steps_done": torch.tensor(self._steps_done)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a state, bit for bit as if never interrupted.

        What a step shows depends on its number and the seed alone, so nothing more
        than the tensors and how many steps were made is needed. On a graphics card,
        where sums come in any order, the same up to rounding.
        """
        self._network.load_state_dict(_part(tensors, "network."))
        if self._average is not None:
            self._average.load_state_dict(_part(tensors, "average."))
        load_moments(self._optimiser, _part(tensors, "optimiser."))
        self._steps_done = int(tensors["steps_done"])

    def measure_throughput(self) -> Throughput:
        """Measure on a few batches; leaves the training as it is."""
        batch = self._draw()
        scratch = copy.copy(self)
        scratch._network = copy.deepcopy(self._network)

        def compute() -> None:
            scratch._compute_gradients(batch)
            if self._device.type == "cuda":
                torch.cuda.synchronize()

        compute()  # the first time is slower
        number = len(batch.rows)
        return Throughput(
            network=number / min(repeat(compute, number=1, repeat=REPEATS)),
            drawing=number / min(repeat(self._draw, number=1, repeat=REPEATS)),
        )

    def _draw(self) -> Batch:
        """Return this rank's parts of the next step."""
        return self._objective.draw(self._steps_done, self._parts)

    def _compute_gradients(self, batch: Batch) -> LossOutput:
        """Return the loss of a batch and leave its gradients at the weights."""
        self._network.zero_grad()
        adapt = None if self._network.prototype_adapter is None else self._adapt
        output = self._objective.compute_loss(
            ForwardFns(embed=self._embed, adapt=adapt, project=self._project), batch
        )
        torch.autograd.backward(output.loss)
        return output

    def _embed(self, inputs: Tensor) -> Tensor:
        """Embed on the device; the loss is made of few numbers, on the CPU."""
        with torch.autocast(self._device.type, torch.bfloat16, self._bfloat16):
            vectors: Tensor = self._network(inputs.to(self._device))
        return vectors.float().cpu()

    def _project(self, features: Tensor) -> Tensor:
        """Go through the last layers on the device, in full precision."""
        return self._network.project(features.to(self._device)).cpu()

    def _adapt(self, means: Tensor, class_encoding: Tensor, numbers: Tensor) -> Tensor:
        """Compute prototypes on the device, in full precision."""
        assert self._network.prototype_adapter is not None
        given = (one.to(self._device) for one in (means, class_encoding, numbers))
        prototypes: Tensor = self._network.prototype_adapter(*given)
        return prototypes.cpu()

    def _exchange(self, batch: Batch, output: LossOutput) -> tuple[float, float, bool]:
        """Average gradients over ranks; returns loss, semi-hard share, stopping."""
        gradients = [
            parameter.grad
            for parameter in self._network.parameters()
            if parameter.grad is not None
        ]
        problem = self._problem(batch, output, gradients)
        figures = torch.tensor(
            [
                output.loss.item(),
                output.semi_hard_share,
                float(self._stop_asked),
                float(bool(problem)),
            ],
            device=self._device,
        )
        self._ranks.average([*gradients, figures])
        loss, share, stopping, wrong = figures.tolist()
        if wrong:
            self._ranks.agree(DataError(problem) if problem else None)
        return loss, share, stopping > 0

    def _problem(
        self, batch: Batch, output: LossOutput, gradients: Sequence[Tensor]
    ) -> str:
        """Say what is wrong with a step; nothing if all numbers are finite."""
        loss = output.loss.item()
        largest = torch.stack([gradient.abs().max() for gradient in gradients]).max()
        if torch.isfinite(output.loss) and torch.isfinite(largest):
            return ""
        found = "a gradient is not finite" if loss == loss else "the loss is NaN"
        return (
            f"step {self._steps_done + 1}: {found} (loss {loss:g}); "
            f"{self._objective.failure_hint(batch)}"
        )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
