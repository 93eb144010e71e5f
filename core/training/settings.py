"""How an encoder is trained: the settings, and what they say about exposure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from specklenn.core.data.frames import as_picture
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.network.specklenn2023 import EMBEDDING_SIZE
from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.noise import Noise
from specklenn.core.training.augment import Augmentation
from specklenn.core.training.data import bin_patterns
from specklenn.core.training.episode_conditions import EpisodeConditions
from specklenn.core.training.triplet_loss import DEFAULT_MARGIN

COMPACT = "compact-3"
"""The network that standardises patterns itself."""


class Exposure(Settings):
    """How noise-free training patterns become shots, anew at every step.

    Parameters
    ----------
    fluence : (lowest, highest)
        Factor on the patterns, drawn evenly in its logarithm.
    noise : Noise
        Fluence jitter on top, shot noise, read noise per detector pixel.
    detector : Detector
        Its beam stop and gap are laid over the patterns.
    """

    fluence: tuple[float, float] = (1.0, 1.0)
    noise: Noise = Noise()
    detector: Detector = Detector()


class Episodes(Settings):
    """Few-shot training on episodes, see `specklenn.core.training.episodic_loss`.

    Parameters
    ----------
    per_step : int
        Episodes in a batch; each holds two samples.
    patterns_per_class : int
        Of each sample of an episode.
    sharpness : float
        Of the softmax over distances.
    datasets : tuple of EpisodeConditions
        How each dataset is shown, in the order of the data; all alike if empty.
    """

    per_step: int = Field(default=4, ge=1)
    patterns_per_class: int = Field(default=8, ge=2)
    sharpness: float = Field(default=10.0, gt=0)
    datasets: tuple[EpisodeConditions, ...] = ()

    former_keys: ClassVar[Mapping[str, str]] = {"scenes": "per_step"}


class Training(Settings):
    """How an encoder is trained.

    Parameters
    ----------
    network : {"specklenn-2023", "compact-3"}
        The paper's, or the small one of `specklenn.core.network.compact`.
    episodes : Episodes or None
        Few-shot training; by default the paper's triplets. Exposure's fluence and
        mask, augmentation and margin belong to the triplets; episodes draw theirs
        for every episode.
    preprocess : Preprocessing
        Stored with the weights; compact-3 needs ``standardise: false``.
    classes : tuple of str
    exposure : Exposure or None
        For noise-free patterns; None where the patterns are shots already.
    augment : Augmentation
    only_prototype_adapter : bool
        Whether the embedding stays as it is at the start, and only how supports make
        prototypes is learned (`core.network.prototype_adapter`): cheap, so episodes
        may hold many patterns.
    embedding_size : int
        Length of the vectors that the network makes.
    initial_std : float
        Of the first weights.
    margin : float
        Of the triplet loss.
    optimiser : {"adam", "adamw"}
        How a gradient changes the weights; they differ in `weight_decay`.
    learning_rate : float
        The highest, see ``warm_up`` and ``decay``.
    weight_decay : float
        Of filters and matrices, not of biases and normalisation: added to the
        gradient by adam, taken off the weights by adamw.
    warm_up : float
        Share of the steps in which the learning rate rises from zero, linearly.
    decay : bool
        Whether the learning rate falls to zero along a cosine after that.
    average : float
        Decay of an exponential moving average of the weights, as 0.999; the average
        is validated and saved then. 0 for none.
    steps : int
    samples_per_step, patterns_per_class : int
        Make up a batch.
    seed : int
    """

    network: Literal["specklenn-2023", "compact-3"] = "specklenn-2023"
    episodes: Episodes | None = None
    preprocess: Preprocessing = Preprocessing()
    classes: tuple[str, ...] = Field(
        default=(SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT), min_length=2
    )
    exposure: Exposure | None = Exposure()
    augment: Augmentation = Augmentation()
    only_prototype_adapter: bool = False
    embedding_size: int = Field(default=EMBEDDING_SIZE, ge=2, le=4096)
    initial_std: float = Field(default=0.2, gt=0)
    margin: float = Field(default=DEFAULT_MARGIN, gt=0, le=4)
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warm_up: float = Field(default=0.0, ge=0, lt=1)
    decay: bool = True
    average: float = Field(default=0.0, ge=0, lt=1)
    steps: int = Field(default=4000, ge=1)
    samples_per_step: int = Field(default=8, ge=1)
    patterns_per_class: int = Field(default=8, ge=2)
    seed: int = Field(default=0, ge=0)

    former_keys: ClassVar[Mapping[str, str]] = {"only_placer": "only_prototype_adapter"}

    @model_validator(mode="after")
    def _has_an_adapter(self) -> Training:
        if self.only_prototype_adapter and (
            self.network != COMPACT or self.episodes is None
        ):
            raise ValueError(
                f"only_prototype_adapter: true, but network {self.network} with "
                f"{'episodes' if self.episodes else 'triplets'} trains none; network "
                f"{COMPACT} with episodes expected"
            )
        return self

    @model_validator(mode="after")
    def _input_fits(self) -> Training:
        wanted = self.network != COMPACT
        if self.preprocess.standardise != wanted:
            raise ValueError(
                f"preprocess.standardise: {self.preprocess.standardise}, {wanted} "
                f"expected by network {self.network}"
            )
        return self


def exposure_mask(settings: Training) -> Tensor:
    """Return the binned mask of the exposure's detector, (side, side) bool."""
    side = settings.preprocess.input_side
    if settings.exposure is None:
        return torch.zeros(side, side, dtype=torch.bool)
    mask = as_picture(settings.exposure.detector.mask())
    _, bad = bin_patterns(
        np.zeros((0, *mask.shape), np.float32), mask, settings.preprocess.bin
    )
    first = [(length - side) // 2 for length in bad.shape]
    middle = bad[first[0] : first[0] + side, first[1] : first[1] + side]
    return torch.from_numpy(middle)


def draw_fluence(exposure: Exposure, number: int, generator: torch.Generator) -> Tensor:
    """Draw the fluence of each shot, its factor times its jitter, (number,) float32."""
    low, high = np.log(exposure.fluence)
    drawn = torch.exp(low + (high - low) * torch.rand(number, generator=generator))
    shape = exposure.noise.jitter_shape
    if shape == 0:
        return drawn
    rates = torch.full((number,), shape)
    jitter = torch._standard_gamma(rates, generator=generator) / shape
    return drawn * jitter.clamp(*exposure.noise.jitter_limits)
