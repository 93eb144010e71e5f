"""What one training step shows and how it is judged: triplets, or episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.networks import Network
from specklenn.core.training.augment import expose, normalise, random_patches, warp
from specklenn.core.training.data import TrainingData, draw_batch
from specklenn.core.training.episodes import SAMPLES, episode_loss
from specklenn.core.training.losses import triplet_loss
from specklenn.core.training.mining import mine, squared_distances
from specklenn.core.training.scenes import SceneSettings, show
from specklenn.core.training.settings import (
    Episodes,
    Exposure,
    Training,
    draw_fluence,
    exposure_mask,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The loss of one batch.

    Parameters
    ----------
    loss : () Tensor
    semi_hard_share : float
        Share of the matching pairs with a semi-hard negative; not a number for
        episodes.
    """

    loss: Tensor
    semi_hard_share: float = float("nan")


class Lesson(Protocol):
    """Draws a batch and judges it."""

    def judge(self, encoder: Network, generator: torch.Generator) -> Judged:
        """Return the loss of a new batch."""


class Triplets:
    """The paper's lesson: augmented patterns, semi-hard triplets.

    Parameters
    ----------
    settings : Training
    data : TrainingData

    Raises
    ------
    DataError
        If no sample has two patterns of every class.
    """

    def __init__(self, settings: Training, data: TrainingData) -> None:
        self._settings = settings
        self._data = data
        self._groups = _groups(data)
        self._bad = exposure_mask(settings)

    def judge(self, encoder: Network, generator: torch.Generator) -> Judged:
        """Return the loss of a new batch."""
        settings = self._settings
        rows = draw_batch(
            self._groups,
            settings.samples_per_step,
            settings.patterns_per_class,
            generator,
        )
        distances = squared_distances(encoder(self.inputs(rows, generator)))
        triplets = mine(
            distances.detach(),
            self._data.samples[rows],
            self._data.labels[rows],
            settings.margin,
            generator,
        )
        loss = triplet_loss(
            distances[triplets.anchors, triplets.positives],
            distances[triplets.anchors, triplets.negatives],
            settings.margin,
        )
        return Judged(loss=loss, semi_hard_share=triplets.semi_hard_share)

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Make the network's inputs: augment, expose, mask, normalise.

        Parameters
        ----------
        rows : (B,) int64
        generator : torch.Generator

        Returns
        -------
        (B, 1, side, side) float32
        """
        settings, side = self._settings, self._settings.preprocess.input_side
        patterns = self._data.patterns[rows].float()
        covered = self._data.bad.float().expand_as(patterns)
        both = torch.stack((patterns, covered), dim=1)
        moved = warp(both, side, settings.augment, generator)
        photons, bad = moved[:, 0], moved[:, 1] > 1e-3
        if settings.exposure is not None:
            fluence = draw_fluence(settings.exposure, len(rows), generator)
            read = settings.exposure.noise.read_noise_photons * settings.preprocess.bin
            photons = expose(photons, fluence, read, generator)
        bad = bad | self._bad
        bad |= random_patches(len(rows), side, settings.augment, generator)
        return normalise(photons, bad, settings.preprocess.scale)


class Scenes:
    """The few-shot lesson: scenes whose patterns judge each other.

    Parameters
    ----------
    settings : Training
    episodes : Episodes
    data : TrainingData
        Noise-free patterns; the first class is told from all others.

    Raises
    ------
    DataError
        If a dataset has fewer than two samples with enough patterns of every
        class, or the settings are for another number of datasets.
    """

    def __init__(
        self, settings: Training, episodes: Episodes, data: TrainingData
    ) -> None:
        self._settings = settings
        self._episodes = episodes
        self._data = data
        number = int(data.files.max()) + 1
        shown = episodes.datasets or (SceneSettings(),) * number
        if len(shown) != number:
            raise DataError(
                f"training.episodes.datasets: {len(shown)} given for {number} datasets"
            )
        self._shown = shown
        self._groups: list[list[list[Tensor]]] = [[] for _ in shown]
        for group in _groups(data):
            if min(map(len, group)) >= episodes.patterns_per_class:
                self._groups[int(data.files[group[0][0]])].append(group)
        if min(map(len, self._groups)) < SAMPLES:
            raise DataError(
                f"training data: a dataset with fewer than {SAMPLES} samples that have "
                f"{episodes.patterns_per_class} patterns of every class"
            )
        self._shares = torch.tensor([one.share for one in shown])
        noise = (settings.exposure or Exposure()).noise
        self._read_noise = noise.read_noise_photons * settings.preprocess.bin

    def judge(self, encoder: Network, generator: torch.Generator) -> Judged:
        """Return the loss of a new batch."""
        scenes = [self.scene(generator) for _ in range(self._episodes.scenes)]
        vectors = encoder(torch.cat(scenes)).chunk(len(scenes))
        classes, each = len(self._data.classes), self._episodes.patterns_per_class
        losses = [
            episode_loss(part, classes, each, self._episodes.sharpness)
            for part in vectors
        ]
        return Judged(loss=torch.stack(losses).mean())

    def scene(self, generator: torch.Generator) -> Tensor:
        """Make the inputs of one scene, (2 * classes * patterns, 1, side, side)."""
        file = int(torch.multinomial(self._shares, 1, generator=generator))
        groups = self._groups[file]
        chosen = torch.randperm(len(groups), generator=generator)[:SAMPLES].tolist()
        each = self._episodes.patterns_per_class
        rows, photons = [], []
        for sample in chosen:
            first = self._data.patterns[groups[sample][0]].float().sum(dim=(1, 2))
            for of_class in groups[sample]:
                order = torch.randperm(len(of_class), generator=generator)[:each]
                rows.append(of_class[order])
                photons.append(first.mean().expand(each))
        return show(
            self._data.patterns[torch.cat(rows)].float(),
            torch.cat(photons),
            self._settings.preprocess.input_side,
            self._settings.preprocess.scale,
            self._shown[file],
            self._read_noise,
            generator,
        )


def make_lesson(settings: Training, data: TrainingData) -> Lesson:
    """Return the lesson that the settings ask for."""
    if settings.episodes is not None:
        return Scenes(settings, settings.episodes, data)
    return Triplets(settings, data)


def _groups(data: TrainingData) -> list[list[Tensor]]:
    groups = data.groups()
    if not groups:
        raise DataError("training data: no sample has two patterns of every class")
    return groups
