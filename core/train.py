"""Training an encoder on triplets (sections 3.2 to 3.5 of the paper)."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from specklenn.core import evaluate
from specklenn.core.augment import (
    Augmentation,
    expose,
    normalise,
    random_patches,
    warp,
)
from specklenn.core.detector import Detector
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.losses import DEFAULT_MARGIN, triplet_loss
from specklenn.core.mining import mine, squared_distances
from specklenn.core.model import EMBEDDING_SIZE, Encoder
from specklenn.core.noise import Noise
from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings
from specklenn.core.training_data import (
    TrainingData,
    bin_patterns,
    draw_batch,
)


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


class Training(Settings):
    """How an encoder is trained.

    Parameters
    ----------
    preprocess : Preprocessing
        Stored with the weights.
    classes : tuple of str
    exposure : Exposure or None
        For noise-free patterns; None where the patterns are shots already.
    augment : Augmentation
    embedding_size : int
    initial_std : float
        Of the first weights.
    margin : float
        Of the triplet loss.
    learning_rate : float
        Of Adam.
    decay : bool
        Whether the learning rate falls to zero along a cosine.
    steps : int
    samples_per_step, patterns_per_class : int
        Make up a batch.
    seed : int
    """

    preprocess: Preprocessing = Preprocessing()
    classes: tuple[str, ...] = Field(
        default=(SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT), min_length=2
    )
    exposure: Exposure | None = Exposure()
    augment: Augmentation = Augmentation()
    embedding_size: int = Field(default=EMBEDDING_SIZE, ge=2, le=4096)
    initial_std: float = Field(default=0.2, gt=0)
    margin: float = Field(default=DEFAULT_MARGIN, gt=0, le=4)
    learning_rate: float = Field(default=1e-3, gt=0)
    decay: bool = True
    steps: int = Field(default=4000, ge=1)
    samples_per_step: int = Field(default=8, ge=1)
    patterns_per_class: int = Field(default=8, ge=2)
    seed: int = Field(default=0, ge=0)


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
        _store_channels_last(self.encoder)
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

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Write everything that `resume` needs into one safetensors file."""
        tensors = {
            f"encoder.{name}": value
            for name, value in self.encoder.state_dict().items()
        }
        for number, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"adam.{number}.{name}"] = value
        tensors["generator"] = self.generator.get_state()
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        header = {
            "settings": self.settings.model_dump_json(),
            "steps_done": str(self.steps_done),
            "best": repr(self.best),
            "history": json.dumps(self.history),
        }
        part = Path(path).with_suffix(".part")
        save_file(tensors, part, metadata=header)
        part.replace(path)

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Go on from a state file, step for step as if never interrupted.

        Raises
        ------
        DataError
            If the file is no training state or was written with other settings.
        """
        header, tensors = _read_state(path)
        if header["settings"] != self.settings.model_dump_json():
            raise DataError(
                f"{path}: written by a training with other settings; "
                "remove it to start anew"
            )
        self.encoder.load_state_dict(_part(tensors, "encoder."))
        state = self.optimiser.state_dict()
        for key, value in _part(tensors, "adam.").items():
            number, _, name = key.partition(".")
            state["state"].setdefault(int(number), {})[name] = value
        self.optimiser.load_state_dict(state)
        self.generator.set_state(tensors["generator"])
        self.steps_done = int(header["steps_done"])
        self.best = float(header["best"])
        self.history = json.loads(header["history"])

    def _set_learning_rate(self) -> None:
        done = self.steps_done / self.settings.steps
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * (
                factor if self.settings.decay else 1.0
            )


def _store_channels_last(encoder: Encoder) -> None:
    """Lay out the filters as the processor likes them, half as fast again."""
    for parameter in encoder.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(
                memory_format=torch.channels_last
            )


def exposure_mask(settings: Training) -> Tensor:
    """Return the binned mask of the exposure's detector, (side, side) bool."""
    side = settings.preprocess.input_side
    if settings.exposure is None:
        return torch.zeros(side, side, dtype=torch.bool)
    mask = settings.exposure.detector.mask()
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


def _read_state(
    path: str | os.PathLike[str],
) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a training state: {error}") from error
    if "steps_done" not in header:
        raise DataError(f"{path}: not a training state")
    return header, tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
