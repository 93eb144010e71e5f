"""What one training step shows and how it is judged: triplets, or episodes.

A step is made of parts, samples or scenes, each drawn from random numbers of its
own. So a step shows the same whoever draws which of its parts, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.training.augment import expose, normalise, random_patches, warp
from specklenn.core.training.data import TrainingData, draw_rows
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

Embed = Callable[[Tensor], Tensor]
"""A network in use: inputs (B, 1, side, side) to unit vectors (B, D), float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Parts of one step, ready for the network.

    Parameters
    ----------
    inputs : (B, 1, side, side) float32
    rows : (B,) int64
        Of the training data.
    seed : int
        For what is drawn when the batch is judged.
    """

    inputs: Tensor
    rows: Tensor
    seed: int


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
    """Draws batches and judges them."""

    @property
    def parts(self) -> int:
        """How many parts a step has."""

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return some parts of a step, by their numbers from 0."""

    def judge(self, embed: Embed, batch: Batch) -> Judged:
        """Return the loss of a batch."""


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

    @property
    def parts(self) -> int:
        """Samples in a step, all of them if there are fewer than asked for."""
        return min(self._settings.samples_per_step, len(self._groups))

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return as many patterns of every class of some of the step's samples."""
        seed, each = self._settings.seed, self._settings.patterns_per_class
        order = torch.randperm(len(self._groups), generator=_seeded(seed, step))
        rows, inputs = [], []
        for part in parts:
            generator = part_stream(seed, step, part)
            rows.append(draw_rows(self._groups[int(order[part])], each, generator))
            inputs.append(self.inputs(rows[-1], generator))
        return _joined(inputs, rows, seed, step, parts)

    def judge(self, embed: Embed, batch: Batch) -> Judged:
        """Return the loss of the semi-hard triplets in a batch."""
        settings, rows = self._settings, batch.rows
        distances = squared_distances(embed(batch.inputs))
        triplets = mine(
            distances.detach(),
            self._data.samples[rows],
            self._data.labels[rows],
            settings.margin,
            torch.Generator().manual_seed(batch.seed),
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
        return normalise(photons, bad, settings.preprocess)


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
        for file, found in enumerate(self._groups):
            if len(found) < SAMPLES:
                raise DataError(
                    f"{data.file_names[file]}: fewer than {SAMPLES} samples have "
                    f"{episodes.patterns_per_class} patterns of every class, as "
                    "training.episodes asks for"
                )
        self._shares = torch.tensor([one.share for one in shown])
        noise = (settings.exposure or Exposure()).noise
        self._read_noise = noise.read_noise_photons * settings.preprocess.bin

    @property
    def parts(self) -> int:
        """Scenes in a step."""
        return self._episodes.scenes

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return some of the step's scenes."""
        seed = self._settings.seed
        scenes = [self.scene(part_stream(seed, step, part)) for part in parts]
        inputs = [inputs for inputs, _ in scenes]
        return _joined(inputs, [rows for _, rows in scenes], seed, step, parts)

    def judge(self, embed: Embed, batch: Batch) -> Judged:
        """Return the mean loss of the scenes in a batch."""
        classes, each = len(self._data.classes), self._episodes.patterns_per_class
        vectors = embed(batch.inputs)
        losses = [
            episode_loss(part, classes, each, self._episodes.sharpness)
            for part in torch.split(vectors, SAMPLES * classes * each)
        ]
        return Judged(loss=torch.stack(losses).mean())

    def scene(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Make one scene.

        Returns
        -------
        inputs : (2 * classes * patterns, 1, side, side) float32
            Sample after sample, class after class.
        rows : (2 * classes * patterns,) int64
        """
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
        drawn = torch.cat(rows)
        inputs = show(
            self._data.patterns[drawn].float(),
            torch.cat(photons),
            self._settings.preprocess,
            self._shown[file],
            self._read_noise,
            generator,
        )
        return inputs, drawn


def make_lesson(settings: Training, data: TrainingData) -> Lesson:
    """Return the lesson that the settings ask for."""
    if settings.episodes is not None:
        return Scenes(settings, settings.episodes, data)
    return Triplets(settings, data)


def part_stream(seed: int, step: int, part: int) -> torch.Generator:
    """Return the random numbers that a part of a step is drawn from."""
    # From 1: a zero at the end changes nothing, and the step has a stream as well.
    return _seeded(seed, step, part + 1)


def _seeded(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(_mixed(*numbers))


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _joined(
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
        seed=_mixed(seed, step, *parts, len(parts)),
    )


def _groups(data: TrainingData) -> list[list[Tensor]]:
    groups = data.groups()
    if not groups:
        raise DataError(
            f"{', '.join(data.file_names)}: no sample has two patterns of every class "
            f"({', '.join(data.classes)})"
        )
    return groups
