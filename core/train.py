"""Training an encoder on triplets (sections 3.2 to 3.5 of the paper)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from specklenn.core import evaluate
from specklenn.core.augment import expose, normalise, random_patches, warp
from specklenn.core.errors import DataError
from specklenn.core.losses import triplet_loss
from specklenn.core.mining import mine, squared_distances
from specklenn.core.model import Encoder, store_channels_last
from specklenn.core.training import Training, draw_fluence, exposure_mask
from specklenn.core.training_data import TrainingData, draw_batch


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one training step did.

    Parameters
    ----------
    step : int
        Counted from 1.
    loss : float
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative.
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
        self.groups = data.groups()
        if not self.groups:
            raise DataError("training data: no sample has two patterns of every class")
        if min(data.patterns.shape[1:]) < side:
            raise DataError(
                f"training data: binned patterns of {tuple(data.patterns.shape[1:])} "
                f"pixels, at least {side} expected"
            )
        torch.manual_seed(settings.seed)
        self.encoder = Encoder(side, settings.embedding_size, settings.initial_std)
        store_channels_last(self.encoder)
        self.optimiser = torch.optim.Adam(
            self.encoder.parameters(), lr=settings.learning_rate
        )
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.steps_done = 0
        self.best = -1.0
        self.history: list[dict[str, float]] = []
        self._bad = exposure_mask(settings)

    def step(self) -> Step:
        """Make one step on one batch."""
        settings = self.settings
        rows = draw_batch(
            self.groups,
            settings.samples_per_step,
            settings.patterns_per_class,
            self.generator,
        )
        self._set_learning_rate()
        self.encoder.train()
        embeddings = self.encoder(self.inputs(rows))
        distances = squared_distances(embeddings)
        triplets = mine(
            distances.detach(),
            self.data.samples[rows],
            self.data.labels[rows],
            settings.margin,
            self.generator,
        )
        loss = triplet_loss(
            distances[triplets.anchors, triplets.positives],
            distances[triplets.anchors, triplets.negatives],
            settings.margin,
        )
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.steps_done += 1
        return Step(
            step=self.steps_done,
            loss=loss.item(),
            semi_hard_share=triplets.semi_hard_share,
        )

    def inputs(self, rows: Tensor) -> Tensor:
        """Make the network's inputs: augment, expose, mask, normalise.

        Parameters
        ----------
        rows : (B,) int64

        Returns
        -------
        (B, 1, side, side) float32
        """
        settings, side = self.settings, self.settings.preprocess.input_side
        patterns = self.data.patterns[rows].float()
        covered = self.data.bad.float().expand_as(patterns)
        both = torch.stack((patterns, covered), dim=1)
        moved = warp(both, side, settings.augment, self.generator)
        photons, bad = moved[:, 0], moved[:, 1] > 1e-3
        if settings.exposure is not None:
            fluence = draw_fluence(settings.exposure, len(rows), self.generator)
            read = settings.exposure.noise.read_noise_photons * settings.preprocess.bin
            photons = expose(photons, fluence, read, self.generator)
        bad = bad | self._bad
        bad |= random_patches(len(rows), side, settings.augment, self.generator)
        return normalise(photons, bad, settings.preprocess.scale)

    def validate(
        self,
        inputs: npt.NDArray[np.float32],
        labels: npt.NDArray[np.str_],
        names: npt.NDArray[np.str_],
    ) -> float:
        """Return the five-shot accuracy on prepared patterns of other samples."""
        self.encoder.eval()
        embeddings = evaluate.embed(self.encoder, inputs)
        two_way = evaluate.TWO_WAY
        classes = two_way if set(two_way) <= set(labels) else np.unique(labels).tolist()
        scores = evaluate.evaluate(
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

    def trained(self) -> Encoder:
        """Return a copy of the encoder as it is now, in evaluation mode."""
        settings = self.settings
        copy = Encoder(settings.preprocess.input_side, settings.embedding_size)
        copy.load_state_dict(self.encoder.state_dict())
        return copy.eval()

    def _set_learning_rate(self) -> None:
        done = self.steps_done / self.settings.steps
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * (
                factor if self.settings.decay else 1.0
            )
