"""Training an encoder (sections 3.2 to 3.5 of the paper), step by step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.errors import DataError
from specklenn.core.evaluation import few_shot
from specklenn.core.model import Encoder, store_channels_last
from specklenn.core.networks import Network, make_network
from specklenn.core.training.data import TrainingData
from specklenn.core.training.lessons import make_lesson
from specklenn.core.training.settings import Training


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one training step did.

    Parameters
    ----------
    step : int
        Counted from 1.
    loss : float
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative; not a number for
        episodes.
    """

    step: int
    loss: float
    semi_hard_share: float


class Trainer:
    """The state of one training: network, optimiser, random numbers, history.

    Parameters
    ----------
    settings : Training
    data : TrainingData

    Raises
    ------
    DataError
        If no sample has two patterns of every class or patterns are too small.
    """

    def __init__(self, settings: Training, data: TrainingData) -> None:
        side = settings.preprocess.input_side
        self.settings = settings
        self.data = data
        self.lesson = make_lesson(settings, data)
        if min(data.patterns.shape[1:]) < side:
            raise DataError(
                f"training data: binned patterns of {tuple(data.patterns.shape[1:])} "
                f"pixels, at least {side} expected"
            )
        torch.manual_seed(settings.seed)
        self.encoder = _make_encoder(settings)
        store_channels_last(self.encoder)
        self.optimiser = torch.optim.Adam(
            self.encoder.parameters(), lr=settings.learning_rate
        )
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.steps_done = 0
        self.best = -1.0
        self.history: list[dict[str, float]] = []

    def step(self) -> Step:
        """Make one step on one batch."""
        self._set_learning_rate()
        self.encoder.train()
        judged = self.lesson.judge(self.encoder, self.generator)
        self.optimiser.zero_grad()
        torch.autograd.backward(judged.loss)
        self.optimiser.step()
        self.steps_done += 1
        return Step(
            step=self.steps_done,
            loss=judged.loss.item(),
            semi_hard_share=judged.semi_hard_share,
        )

    def validate(
        self,
        inputs: npt.NDArray[np.float32],
        labels: npt.NDArray[np.str_],
        names: npt.NDArray[np.str_],
    ) -> float:
        """Return the five-shot accuracy on prepared patterns of other samples."""
        self.encoder.eval()
        embeddings = few_shot.embed(self.encoder, inputs)
        two_way = few_shot.TWO_WAY
        classes = two_way if set(two_way) <= set(labels) else np.unique(labels).tolist()
        scores = few_shot.evaluate(
            embeddings, labels, names, shots=(5,), draws=2, classes=classes
        )
        return float(scores["5"]["accuracy"])

    def record(self, step: Step, accuracy: float | None) -> bool:
        """Add a line to the history; returns whether this is the best so far."""
        line = {name: float(value) for name, value in asdict(step).items()}
        if accuracy is not None:
            line["accuracy"] = accuracy
        self.history.append(line)
        if accuracy is not None and accuracy > self.best:
            self.best = accuracy
            return True
        return False

    def trained(self) -> Network:
        """Return a copy of the encoder as it is now, in evaluation mode."""
        settings = self.settings
        copy = make_network(
            settings.network, settings.preprocess.input_side, settings.embedding_size
        )
        copy.load_state_dict(self.encoder.state_dict())
        return copy.eval()

    def _set_learning_rate(self) -> None:
        done = self.steps_done / self.settings.steps
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * (
                factor if self.settings.decay else 1.0
            )


def _make_encoder(settings: Training) -> Network:
    side, size = settings.preprocess.input_side, settings.embedding_size
    if settings.network == Encoder.architecture:
        return Encoder(side, size, settings.initial_std)
    return make_network(settings.network, side, size)
