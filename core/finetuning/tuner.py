"""Trains a trained network on, with a few dozen labelled shots of one experiment.

In every step some shots of each class judge each other, as supports do: each is
compared with the others of its batch by the mean distance to every class, itself left
out, and the loss is the cross-entropy of softmax(-sharpness * distance). Statistics of
batch normalisation stay as they were learned from many experiments.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from specklenn.core.errors import DataError
from specklenn.core.finetuning.settings import Tuning
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessing
from specklenn.core.training.augment import (
    Augmentation,
    normalise,
    random_patches,
    turn_and_mirror,
)
from specklenn.core.training.episodic_loss import distances_between

WARM_UP = 20
"""Steps in which the learning rate rises."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step did.

    Parameters
    ----------
    step : int
        Counted from 1.
    loss : float
    """

    step: int
    loss: float


class Tuner:
    """A copy of a network that is trained on.

    Parameters
    ----------
    network : network
        Stays as it is.
    preprocessing : Preprocessing
        The network's.
    photons : (N, side, side) float32
        Binned photons of the shots, NaN where bad.
    codes : (N,) int64
        Their classes, two shots or more of each.
    settings : Tuning
    seed : int

    Attributes
    ----------
    network : network
        As trained so far, without an adapter.
    """

    def __init__(
        self,
        network: Network,
        preprocessing: Preprocessing,
        photons: Tensor,
        codes: Tensor,
        settings: Tuning,
        seed: int,
    ) -> None:
        self.network = copy.deepcopy(network).eval()
        # It was learned with the vectors that the network made before.
        self.network.prototype_adapter = None
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        # The photons are on the network's scale only behind `normalise`.
        self._preprocessing = preprocessing
        self._photons = photons
        self._classes = [
            torch.nonzero(codes == code)[:, 0] for code in sorted({*codes.tolist()})
        ]
        self._settings = settings
        self._augment = Augmentation(
            patches=settings.patches, patch_share=settings.patch_share
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), weight_decay=settings.weight_decay
        )

    def steps(self) -> Iterator[Step]:
        """Train; gives every step.

        Raises
        ------
        DataError
            If the loss is not finite.
        """
        for step in range(self._settings.steps):
            for group in self._optimiser.param_groups:
                group["lr"] = self._learning_rate(step)
            yield Step(step=step + 1, loss=self._step(step))

    def _step(self, step: int) -> float:
        each = self._settings.patterns_per_class
        rows = torch.cat([self._draw(own, each) for own in self._classes])
        vectors = self.network(self._inputs(rows))
        loss = episode_loss(vectors, len(self._classes), self._settings.sharpness)
        if not torch.isfinite(loss):
            raise DataError(
                f"tuning: the loss of step {step + 1} is {loss.item():g}; a lower "
                "tuning.learning_rate may help; nothing was written"
            )
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()
        return loss.item()

    def _draw(self, rows: Tensor, number: int) -> Tensor:
        """Draw so many shots of a class, repeated where it has fewer."""
        if len(rows) < number:
            return rows[torch.randint(len(rows), (number,), generator=self._generator)]
        return rows[torch.randperm(len(rows), generator=self._generator)[:number]]

    def _inputs(self, rows: Tensor) -> Tensor:
        """Turn, mirror and cover shots, and prepare them for the network."""
        shown = turn_and_mirror(self._photons[rows], self._generator)
        number, side = len(shown), shown.shape[1]
        covered = random_patches(number, side, self._augment, self._generator)
        bad = shown.isnan() | covered
        return normalise(shown.masked_fill(bad, 0.0), bad, self._preprocessing)

    def _learning_rate(self, step: int) -> float:
        rise = min(1.0, (step + 1) / WARM_UP)
        fall = 0.5 * (1.0 + math.cos(math.pi * step / self._settings.steps))
        return self._settings.learning_rate * rise * fall


def episode_loss(vectors: Tensor, classes: int, sharpness: float) -> Tensor:
    """Return the loss of vectors that judge each other.

    Parameters
    ----------
    vectors : (classes * n, D) float32, unit length
        Class after class, n of each, two or more.
    classes : int
    sharpness : float
        Inverse of the softmax's temperature.

    Returns
    -------
    () float32
    """
    each = len(vectors) // classes
    own = torch.arange(classes).repeat_interleave(each)
    distances = distances_between(vectors)
    others = torch.full((len(vectors), classes), float(each))
    others[torch.arange(len(vectors)), own] -= 1.0
    to_classes = distances.reshape(len(vectors), classes, each).sum(dim=2) / others
    return functional.cross_entropy(-sharpness * to_classes, own)
