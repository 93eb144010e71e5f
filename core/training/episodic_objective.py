"""The few-shot objective: episodes whose patterns classify each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.network.prototype_adapter import KNOWN, encode_classes
from specklenn.core.training.data import TrainingData
from specklenn.core.training.episode_conditions import (
    EpisodeConditions,
    apply_conditions,
)
from specklenn.core.training.episodic_loss import SAMPLES, adapted_loss, episode_loss
from specklenn.core.training.objective import (
    Batch,
    ForwardFns,
    LossOutput,
    joined,
    part_stream,
)
from specklenn.core.training.settings import Episodes, Exposure, Training


class EpisodicObjective:
    """The few-shot objective: episodes whose patterns classify each other.

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
        class, the settings are for another number of datasets, or only an adapter is
        to be trained for classes that it does not know.
    """

    def __init__(
        self, settings: Training, episodes: Episodes, data: TrainingData
    ) -> None:
        self._settings = settings
        self._episodes = episodes
        self._data = data
        number = int(data.files.max()) + 1
        conditions = episodes.datasets or (EpisodeConditions(),) * number
        if len(conditions) != number:
            raise DataError(
                f"training.episodes.datasets: {len(conditions)} given for {number} "
                "datasets"
            )
        self._conditions = conditions
        self._groups: list[list[list[Tensor]]] = [[] for _ in conditions]
        for group in data.groups():
            if min(map(len, group)) >= episodes.patterns_per_class:
                self._groups[int(data.files[group[0][0]])].append(group)
        for file, found in enumerate(self._groups):
            if len(found) < SAMPLES:
                raise DataError(
                    f"{data.file_names[file]}: fewer than {SAMPLES} samples have "
                    f"{episodes.patterns_per_class} patterns of every class, as "
                    "training.episodes asks for"
                )
        self._shares = torch.tensor([one.share for one in conditions])
        self._class_encoding = encode_classes(data.classes)
        if settings.only_prototype_adapter and self._class_encoding is None:
            raise DataError(
                f"training.only_prototype_adapter: classes {', '.join(data.classes)} "
                f"found, only "
                f"{', '.join(KNOWN)} and joins of them have learned prototypes"
            )
        noise = (settings.exposure or Exposure()).noise
        self._read_noise = noise.read_noise_photons * settings.preprocess.bin

    @property
    def parts(self) -> int:
        """Episodes in a step."""
        return self._episodes.per_step

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return some of the step's episodes."""
        seed = self._settings.seed
        episodes = [self.episode(part_stream(seed, step, part)) for part in parts]
        inputs = [inputs for inputs, _ in episodes]
        return joined(inputs, [rows for _, rows in episodes], seed, step, parts)

    def compute_loss(self, network: ForwardFns, batch: Batch) -> LossOutput:
        """Return the mean loss of the episodes in a batch.

        That of the mean distance and, if the network has an adapter, as much of
        distances to its prototypes.
        """
        classes, each = len(self._data.classes), self._episodes.patterns_per_class
        sharpness = self._episodes.sharpness
        episodes = torch.split(network.embed(batch.inputs), SAMPLES * classes * each)
        losses = [episode_loss(part, classes, each, sharpness) for part in episodes]
        if network.adapt is not None and self._class_encoding is not None:
            random = torch.Generator().manual_seed(batch.seed)
            losses += [
                adapted_loss(
                    part, self._class_encoding, each, sharpness, network.adapt, random
                )
                for part in episodes
            ]
        return LossOutput(loss=torch.stack(losses).mean())

    def failure_hint(self, batch: Batch) -> str:
        """Say what a batch held and what may help, where its loss is not finite."""
        return self._data.failure_hint(batch.rows)

    def episode(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Make one episode.

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
        inputs = apply_conditions(
            self._data.patterns[drawn].float(),
            torch.cat(photons),
            self._settings.preprocess,
            self._conditions[file],
            self._read_noise,
            generator,
        )
        return inputs, drawn
