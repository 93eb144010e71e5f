"""Fine-tuning: the trainer of a trained network on a few dozen labelled shots.

In every step some shots of each class classify each other, see
`specklenn.core.training.episodic_loss.task_loss`. Statistics of batch normalisation
stay as they were learned from many experiments. Either everything learns, or the fully
connected layers alone; then the convolutions are computed once, of every shot in its
eight orientations, so that a step costs next to nothing.
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
from specklenn.core.training.objective import (
    Batch,
    ForwardFns,
    LossOutput,
    Objective,
)
from specklenn.core.training.trainer import Trainer

WARM_UP = 20
"""Steps in which the learning rate rises."""

ORIENTATIONS = 8
"""Of a square picture: four quarter turns, mirrored or not."""

FAILURE_HINT = "a lower tuning.learning_rate may help; nothing was written"


def make_finetuner(
    network: Network,
    preprocessing: Preprocessing,
    photons: Tensor,
    codes: Tensor,
    settings: Tuning,
    seed: int,
) -> Trainer:
    """Return the trainer of a copy of a network, all of it.

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
    tuned = _copy(network).requires_grad_(True)
    objective = PatternObjective(preprocessing, photons, codes, settings, seed)
    return _make_trainer(tuned, objective, settings)


def make_last_layers_finetuner(
    network: Network, convolved: Tensor, codes: Tensor, settings: Tuning, seed: int
) -> Trainer:
    """Return the trainer of a copy of a network, its fully connected layers alone.

    Parameters
    ----------
    network : network
        Stays as it is.
    convolved : (ORIENTATIONS, N, C) float32
        See `convolve_all_orientations`.
    codes, settings, seed
        See `make_finetuner`; patches have no effect.
    """
    tuned = _copy(network).requires_grad_(False)
    for layer in tuned.last_layers:
        layer.requires_grad_(True)
    objective = ConvolvedObjective(convolved, codes, settings, seed)
    return _make_trainer(tuned, objective, settings)


@torch.no_grad()
def convolve_all_orientations(
    network: Network, preprocessing: Preprocessing, photons: Tensor
) -> Tensor:
    """Return what the convolutions make of shots in all orientations.

    Parameters
    ----------
    network, preprocessing, photons
        See `make_finetuner`.

    Returns
    -------
    (ORIENTATIONS, N, C) float32
    """
    upright = (photons, photons.transpose(1, 2))
    pictures = [torch.rot90(one, turn, (1, 2)) for one in upright for turn in range(4)]
    convolved = []
    for shown in pictures:
        bad = shown.isnan()
        inputs = normalise(shown.masked_fill(bad, 0.0), bad, preprocessing)
        convolved.append(network.convolve(inputs)[0])
    return torch.stack(convolved)


class PatternObjective:
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
        self._classes = _rows_by_class(codes)
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
        vectors = network.embed(batch.inputs)
        return _loss(vectors, len(self._classes), self._settings)

    def failure_hint(self, batch: Batch) -> str:
        """Say what may help where the loss is not finite."""
        return FAILURE_HINT


class ConvolvedObjective:
    """The same of what frozen convolutions have made of the shots.

    Parameters
    ----------
    convolved, codes, settings, seed
        See `make_last_layers_finetuner`.
    """

    parts = 1

    def __init__(
        self, convolved: Tensor, codes: Tensor, settings: Tuning, seed: int
    ) -> None:
        self._convolved = convolved
        self._classes = _rows_by_class(codes)
        self._settings = settings
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Draw as many shots of each class, each in one of its orientations."""
        each = self._settings.patterns_per_class
        rows = draw_rows(self._classes, each, self._generator)
        turned = torch.randint(ORIENTATIONS, (len(rows),), generator=self._generator)
        return Batch(inputs=self._convolved[turned, rows], rows=rows)

    def compute_loss(self, network: ForwardFns, batch: Batch) -> LossOutput:
        """Return the loss of telling all classes apart."""
        assert network.project is not None
        vectors = network.project(batch.inputs)
        return _loss(vectors, len(self._classes), self._settings)

    def failure_hint(self, batch: Batch) -> str:
        """Say what may help where the loss is not finite."""
        return FAILURE_HINT


def learning_rate(settings: Tuning, steps_done: int) -> float:
    """Return the learning rate of the step that comes after so many."""
    rise = min(1.0, (steps_done + 1) / WARM_UP)
    fall = 0.5 * (1.0 + math.cos(math.pi * steps_done / settings.steps))
    return settings.learning_rate * rise * fall


def _copy(network: Network) -> Network:
    copied = copy.deepcopy(network).eval()
    # It was learned with the vectors that the network made before.
    copied.prototype_adapter = None
    return copied


def _make_trainer(tuned: Network, objective: Objective, settings: Tuning) -> Trainer:
    learning = [one for one in tuned.parameters() if one.requires_grad]
    return Trainer(
        tuned,
        objective,
        torch.optim.AdamW(learning, weight_decay=settings.weight_decay),
        partial(learning_rate, settings),
        settings.steps,
    )


def _rows_by_class(codes: Tensor) -> list[Tensor]:
    classes = sorted({*codes.tolist()})
    return [torch.nonzero(codes == code)[:, 0] for code in classes]


def _loss(vectors: Tensor, n_classes: int, settings: Tuning) -> LossOutput:
    """Return the loss of vectors, as many of each class, class after class."""
    members = torch.arange(len(vectors)).reshape(n_classes, -1)
    distances = distances_between(vectors)
    return LossOutput(loss=task_loss(distances, tuple(members), settings.sharpness))
