"""Fine-tuning: the trainer of a trained network on a few dozen labelled shots.

In every step some shots of each class classify each other, see
`specklenn.core.training.episodic_loss.task_loss`. Statistics of batch normalisation
stay as they were learned from many experiments.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from specklenn.core.finetuning.settings import Tuning
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessing
from specklenn.core.training.augment import (
    Augmentation,
    normalise,
    random_patches,
    turn_and_mirror,
)
from specklenn.core.training.data import draw_rows
from specklenn.core.training.episodic_loss import distances_between, task_loss
from specklenn.core.training.objective import Batch, ForwardFns, LossOutput
from specklenn.core.training.trainer import Trainer

WARM_UP = 20
"""Steps in which the learning rate rises."""


def make_finetuner(
    network: Network,
    preprocessing: Preprocessing,
    photons: Tensor,
    codes: Tensor,
    settings: Tuning,
    seed: int,
) -> Trainer:
    """Return the trainer of a copy of a network.

    Parameters
    ----------
    network : network
        Stays as it is.
    preprocessing : Preprocessing
        The network's.
    photons : (N, side, side) float32, photons per bin
        Of the shots, NaN where bad.
    codes : (N,) int64
        Their classes, two shots or more of each.
    settings : Tuning
    seed : int
    """
    tuned = copy.deepcopy(network).eval().requires_grad_(True)
    # It was learned with the vectors that the network made before.
    tuned.prototype_adapter = None
    return Trainer(
        tuned,
        FinetuningObjective(preprocessing, photons, codes, settings, seed),
        torch.optim.AdamW(tuned.parameters(), weight_decay=settings.weight_decay),
        partial(learning_rate, settings),
        settings.steps,
    )


class FinetuningObjective:
    """Labelled shots of one experiment that classify each other.

    All steps are drawn from one stream of random numbers: each once, in order.

    Parameters
    ----------
    preprocessing, photons, codes, settings, seed
        See `make_finetuner`.
    """

    parts = 1

    def __init__(
        self,
        preprocessing: Preprocessing,
        photons: Tensor,
        codes: Tensor,
        settings: Tuning,
        seed: int,
    ) -> None:
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

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Draw as many shots of each class; turn, mirror and cover them."""
        each = self._settings.patterns_per_class
        rows = draw_rows(self._classes, each, self._generator)
        shown = turn_and_mirror(self._photons[rows], self._generator)
        number, side = len(shown), shown.shape[1]
        covered = random_patches(number, side, self._augment, self._generator)
        bad = shown.isnan() | covered
        inputs = normalise(shown.masked_fill(bad, 0.0), bad, self._preprocessing)
        return Batch(inputs=inputs, rows=rows)

    def compute_loss(self, network: ForwardFns, batch: Batch) -> LossOutput:
        """Return the loss of telling all classes apart."""
        distances = distances_between(network.embed(batch.inputs))
        members = torch.arange(len(batch.rows)).reshape(len(self._classes), -1)
        sharpness = self._settings.sharpness
        return LossOutput(loss=task_loss(distances, tuple(members), sharpness))

    def failure_hint(self, batch: Batch) -> str:
        """Say what may help where the loss is not finite."""
        return "a lower tuning.learning_rate may help; nothing was written"


def learning_rate(settings: Tuning, steps_done: int) -> float:
    """Return the learning rate of the step that comes after so many."""
    rise = min(1.0, (steps_done + 1) / WARM_UP)
    fall = 0.5 * (1.0 + math.cos(math.pi * steps_done / settings.steps))
    return settings.learning_rate * rise * fall
