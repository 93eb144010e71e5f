"""Training an encoder (sections 3.2 to 3.5 of the paper), step by step."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from specklenn.core.errors import DataError
from specklenn.core.network.registry import Network, make_network
from specklenn.core.network.specklenn2023 import Encoder, store_channels_last
from specklenn.core.network.weight_mean import mean_weights
from specklenn.core.training.data import TrainingData
from specklenn.core.training.episodic_objective import EpisodicObjective
from specklenn.core.training.objective import Batch, ForwardFns, LossOutput, Objective
from specklenn.core.training.optimiser import (
    learning_rate,
    make_optimiser,
    move_average,
)
from specklenn.core.training.ranks import ALONE, Ranks
from specklenn.core.training.settings import Training
from specklenn.core.training.triplet_objective import TripletObjective


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one training step did, on all ranks together.

    Parameters
    ----------
    step : int
        Counted from 1.
    loss : float
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative; not a number for
        episodes.
    learning_rate : float
    patterns : int
        That were shown.
    """

    step: int
    loss: float
    semi_hard_share: float
    learning_rate: float
    patterns: int


class Trainer:
    """The state of one training: network, optimiser, average, history.

    Parameters
    ----------
    settings : Training
    data : TrainingData
    ranks : Ranks
        The processes that train together, each its parts of every step.
    device : torch.device
        Where the network is.
    bfloat16 : bool
        Whether the network computes in half the bits where that does no harm.

    Attributes
    ----------
    recent : list of (float, float)
        Loss and semi-hard share of the steps since the last validation.
    stop_asked : bool
        Set from outside, at any time, to end the training.
    stopping : bool
        Whether any rank was asked to stop before the last step; the same on all.

    Raises
    ------
    DataError
        If no sample has two patterns of every class or patterns are too small.
    ConfigError
        If the parts of a step cannot be shared out among the ranks.
    """

    def __init__(
        self,
        settings: Training,
        data: TrainingData,
        ranks: Ranks = ALONE,
        device: torch.device | None = None,
        bfloat16: bool = False,
    ) -> None:
        side = settings.preprocess.input_side
        self.settings = settings
        self.data = data
        self.ranks = ranks
        self.objective = _make_lesson(settings, data)
        self.parts = ranks.share(self.objective.parts)
        if min(data.patterns.shape[1:]) < side:
            raise DataError(
                f"training data: binned patterns of {tuple(data.patterns.shape[1:])} "
                f"pixels, at least {side} expected"
            )
        self.device = device or torch.device("cpu")
        self._bfloat16 = bfloat16
        torch.manual_seed(settings.seed)
        self.encoder = _make_encoder(settings).to(self.device)
        store_channels_last(self.encoder)
        self.optimiser = make_optimiser(settings, self._learner())
        self.average = copy.deepcopy(self.encoder) if settings.average else None
        self.steps_done = 0
        self.seconds = 0.0
        self.best = -1.0
        self.history: list[dict[str, float]] = []
        self.recent: list[tuple[float, float]] = []
        self.stop_asked = False
        self.stopping = False

    def start_from(self, weights: Sequence[str | os.PathLike[str]]) -> None:
        """Take the mean of trained weights instead of random ones.

        Raises
        ------
        WeightsError
            If a file cannot be read.
        DataError
            If one is of another network.
        """
        trained = mean_weights(weights, self.encoder)
        for network in (self.encoder, self.average):
            if network is not None:
                # One that was adapted has no adapter: the random one stays then.
                network.load_state_dict(network.state_dict() | trained)

    def draw(self, step: int) -> Batch:
        """Return this rank's parts of a step, counted from 0."""
        return self.objective.draw(step, self.parts)

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
        batch = batch or self.draw(self.steps_done)
        rate = learning_rate(self.settings, self.steps_done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss, share = self._exchange(batch, self.compute_loss(batch))
        self.optimiser.step()
        if self.average is not None:
            keep = self.settings.average
            move_average(self.average, self.encoder, keep, self.steps_done)
        self.steps_done += 1
        step = Step(
            step=self.steps_done,
            loss=loss,
            semi_hard_share=share,
            learning_rate=rate,
            patterns=len(batch.rows) * self.ranks.number,
        )
        self.recent.append((step.loss, step.semi_hard_share))
        return step

    def compute_loss(self, batch: Batch) -> LossOutput:
        """Return the loss of a batch and leave its gradients at the weights."""
        self.encoder.train(not self.settings.only_prototype_adapter)
        self.encoder.zero_grad()
        adapt = None if self.encoder.prototype_adapter is None else self._adapt
        judged = self.objective.compute_loss(
            ForwardFns(embed=self._embed, adapt=adapt), batch
        )
        torch.autograd.backward(judged.loss)
        return judged

    def record(self, line: dict[str, float]) -> bool:
        """Add figures to the history; returns whether these weights are the best.

        The last ones are where there is no ``score``.
        """
        self.history.append(line)
        self.recent.clear()
        score = line.get("score")
        if score is not None and score <= self.best:
            return False
        self.best = self.best if score is None else score
        return True

    def summary(self) -> dict[str, float]:
        """Return the step, means over the recent steps, and the learning rate."""
        losses, shares = zip(*self.recent, strict=True)
        return {
            "step": self.steps_done,
            "loss": sum(losses) / len(losses),
            "semi_hard_share": sum(shares) / len(shares),
            "learning_rate": learning_rate(self.settings, self.steps_done - 1),
        }

    def share_statistics(self) -> None:
        """Give all ranks the same statistics of batch normalisation, their means."""
        networks = (self.encoder, self.average)
        buffers = [
            item for one in networks if one is not None for item in one.buffers()
        ]
        self.ranks.average([item for item in buffers if item.is_floating_point()])

    def trained(self) -> Network:
        """Return a copy of what is validated and saved: on the CPU, not training."""
        source = self.encoder if self.average is None else self.average
        return copy.deepcopy(source).cpu().eval()

    def _learner(self) -> nn.Module:
        """Return the part of the network that learns."""
        if not self.settings.only_prototype_adapter:
            return self.encoder
        assert self.encoder.prototype_adapter is not None
        return self.encoder.prototype_adapter

    def _embed(self, inputs: Tensor) -> Tensor:
        """Embed on the device; the loss is made of few numbers, on the CPU."""
        with (
            torch.set_grad_enabled(not self.settings.only_prototype_adapter),
            torch.autocast(self.device.type, torch.bfloat16, self._bfloat16),
        ):
            vectors: Tensor = self.encoder(inputs.to(self.device))
        return vectors.float().cpu()

    def _adapt(self, means: Tensor, kinds: Tensor, numbers: Tensor) -> Tensor:
        """Place classes on the device, in full precision."""
        assert self.encoder.prototype_adapter is not None
        given = (one.to(self.device) for one in (means, kinds, numbers))
        places: Tensor = self.encoder.prototype_adapter(*given)
        return places.cpu()

    def _exchange(self, batch: Batch, judged: LossOutput) -> tuple[float, float]:
        """Average gradients over ranks; returns the loss and the semi-hard share."""
        gradients = [
            parameter.grad
            for parameter in self.encoder.parameters()
            if parameter.grad is not None
        ]
        problem = self._problem(batch, judged, gradients)
        figures = torch.tensor(
            [
                judged.loss.item(),
                judged.semi_hard_share,
                float(self.stop_asked),
                float(bool(problem)),
            ],
            device=self.device,
        )
        self.ranks.average([*gradients, figures])
        loss, share, stopping, wrong = figures.tolist()
        if wrong:
            self.ranks.agree(DataError(problem) if problem else None)
        self.stopping = stopping > 0
        return loss, share

    def _problem(
        self, batch: Batch, judged: LossOutput, gradients: Sequence[Tensor]
    ) -> str:
        """Say what is wrong with a step; nothing if all numbers are finite."""
        loss = judged.loss.item()
        largest = torch.stack([gradient.abs().max() for gradient in gradients]).max()
        if torch.isfinite(judged.loss) and torch.isfinite(largest):
            return ""
        found = "a gradient is not finite" if loss == loss else "the loss is NaN"
        return (
            f"step {self.steps_done + 1}: {found} (loss {loss:g}); the batch held "
            f"{self.data.describe(batch.rows)}; nothing was saved after the last "
            "validation; a lower learning_rate or a warm_up may help"
        )


def _make_lesson(settings: Training, data: TrainingData) -> Objective:
    """Return the objective that the settings ask for."""
    if settings.episodes is not None:
        return EpisodicObjective(settings, settings.episodes, data)
    return TripletObjective(settings, data)


def _make_encoder(settings: Training) -> Network:
    side, size = settings.preprocess.input_side, settings.embedding_size
    if settings.network == Encoder.architecture:
        return Encoder(side, size, settings.initial_std)
    return make_network(settings.network, side, size)
