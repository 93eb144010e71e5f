"""The paper's objective: semi-hard triplets of augmented patterns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from specklenn.core.training.augment import add_noise, normalise, random_patches, warp
from specklenn.core.training.data import TrainingData, draw_rows
from specklenn.core.training.objective import (
    Batch,
    ForwardFns,
    LossOutput,
    joined,
    part_stream,
    seeded,
)
from specklenn.core.training.settings import Training, draw_fluence, exposure_mask
from specklenn.core.training.triplet_loss import mine, squared_distances, triplet_loss


class TripletObjective:
    """The paper's objective: augmented patterns, semi-hard triplets.

    Raises
    ------
    DataError
        If no sample has two patterns of every class.
    """

    def __init__(self, settings: Training, data: TrainingData) -> None:
        self._settings = settings
        self._data = data
        self._groups = data.groups()
        self._bad = exposure_mask(settings)

    @property
    def parts(self) -> int:
        """Samples in a step, all of them if there are fewer than asked for."""
        return min(self._settings.samples_per_step, len(self._groups))

    def draw(self, step: int, parts: Sequence[int]) -> Batch:
        """Return as many patterns of every class of some of the step's samples."""
        seed, each = self._settings.seed, self._settings.patterns_per_class
        order = torch.randperm(len(self._groups), generator=seeded(seed, step))
        rows, inputs = [], []
        for part in parts:
            generator = part_stream(seed, step, part)
            rows.append(draw_rows(self._groups[int(order[part])], each, generator))
            inputs.append(self.inputs(rows[-1], generator))
        return joined(inputs, rows, seed, step, parts)

    def compute_loss(self, network: ForwardFns, batch: Batch) -> LossOutput:
        """Return the loss of the semi-hard triplets in a batch."""
        settings, rows = self._settings, batch.rows
        distances = squared_distances(network.embed(batch.inputs))
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
        return LossOutput(loss=loss, semi_hard_share=triplets.semi_hard_share)

    def failure_hint(self, batch: Batch) -> str:
        """Say what a batch held and what may help, where its loss is not finite."""
        return self._data.failure_hint(batch.rows)

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
            photons = add_noise(photons, fluence, read, generator)
        bad = bad | self._bad
        bad |= random_patches(len(rows), side, settings.augment, generator)
        return normalise(photons, bad, settings.preprocess)
