"""Few-shot classification: the paper's four steps, vectorised (section 3.6).

(1) embed the pattern and all supports, (2) take the Euclidean distance to every
support, (3) average the distances by class (or another rule, see
`specklenn.core.distances`), (4) the smallest wins.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.distances import (
    Classification,
    class_distances,
    class_prototypes,
    distances_to,
    softmax_scores,
)
from specklenn.core.errors import ConfigError
from specklenn.core.flags import is_skipped
from specklenn.core.labels import UNKNOWN
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.network.specklenn2023 import store_channels_last
from specklenn.core.preprocess import Preprocessor
from specklenn.core.support import SupportSet, load_supports

Embeddings = npt.NDArray[np.float32]


CPU_BATCH = 32
"""Patterns that go through the network at once on a CPU: what its caches hold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Classified:
    """What the classifier says about some patterns.

    Parameters
    ----------
    labels : (B,) str
        Class of each pattern; empty where it could not be judged (flat, NaN).
    distances : (B, classes) float32
        Distance to each class by the rule in use, in the paper the mean distance
        to its supports; NaN where not judged.
    scores : (B, classes) float32
        Softmax scores of the classes, NaN where not judged.
    """

    labels: npt.NDArray[np.str_]
    distances: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class Classifier:
    """A network, its preprocessing and a support set.

    Parameters
    ----------
    model : Checkpoint
    supports : SupportSet
        Frames as the detector gives them, like the shots to come.
    preprocessor : Preprocessor
        Preprocessing of frames of this detector; must give the network's input.
    settings : Classification
        A rule or temperature that is left open is the model's.
    device : str
        Where the network runs.

    Raises
    ------
    ConfigError
        If the crop does not give the network's input size, or a support cannot
        be used (flat, NaN); every such support is named.
    """

    def __init__(
        self,
        model: Checkpoint,
        supports: SupportSet,
        preprocessor: Preprocessor,
        settings: Classification | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or Classification()
        self.rule = self.settings.rule or model.rule
        self.temperature = self.settings.temperature or model.temperature
        self.model = model
        self.supports = supports
        self.preprocessor = preprocessor
        self.classes = supports.classes
        self.device = device
        self._device = torch.device(device)
        self._encoder = model.encoder.to(self._device).eval()
        store_channels_last(self._encoder)
        side = preprocessor.settings.input_side
        if side != model.encoder.input_side:
            raise ConfigError(
                f"preprocess: crop {preprocessor.settings.crop} by bin "
                f"{preprocessor.settings.bin} gives {side} pixels a side, the network "
                f"{model.card.name!r} takes {model.encoder.input_side}"
            )
        self._codes = np.array([self.classes.index(name) for name in supports.labels])
        self._vectors = self._embed_supports()
        self._prototypes = class_prototypes(
            self._vectors,
            self._codes,
            len(self.classes),
            self.rule,
            make_prototype_fn(model.encoder.prototype_adapter, self.classes),
        )

    @classmethod
    def load(
        cls,
        weights: str | os.PathLike[str] = "default",
        support: str | os.PathLike[str] | SupportSet = "",
    ) -> Classifier:
        """Make a classifier from a model and a support set, both by name or path.

        Parameters
        ----------
        weights : name or path
        support : path or SupportSet
            YAML support file or a labelled HDF5 dataset, in photons.
        """
        model = checkpoint.load(weights)
        supports = (
            support if isinstance(support, SupportSet) else load_supports(support)
        )
        preprocessor = Preprocessor(model.preprocessing, supports.shape, supports.mask)
        return cls(model, supports, preprocessor)

    def _embed_supports(self) -> Embeddings:
        cropped = self.preprocessor.crop(self.supports.frames)
        bad = np.flatnonzero(is_skipped(cropped.flags))
        if len(bad):
            raise ConfigError(
                *(
                    f"support: {self.supports.origins[item]} cannot be used: "
                    "flat, empty, NaN or all masked"
                    for item in bad
                )
            )
        return self.embed_inputs(self.preprocessor.normalise(cropped.photons))

    def embed_inputs(self, inputs: npt.NDArray[np.float32]) -> Embeddings:
        """Embed patterns that are already normalised.

        Parameters
        ----------
        inputs : (B, side, side) float32

        Returns
        -------
        (B, D) float32, unit length
        """
        if len(inputs) == 0:
            return np.zeros((0, self._encoder.embedding_size), np.float32)
        with torch.inference_mode():
            batch = torch.from_numpy(inputs[:, None]).to(self._device)
            at_once = CPU_BATCH if self._device.type == "cpu" else len(batch)
            parts = [self._encoder(part) for part in torch.split(batch, at_once)]
            vectors: Embeddings = torch.cat(parts).cpu().numpy()
        return vectors

    def embed(self, patterns: npt.NDArray[Any]) -> Embeddings:
        """Embed detector frames.

        Parameters
        ----------
        patterns : (B, H, W) array

        Returns
        -------
        (B, D) float32, unit length
        """
        cropped = self.preprocessor.crop(patterns)
        return self.embed_inputs(self.preprocessor.normalise(cropped.photons))

    def distances(self, vectors: Embeddings) -> npt.NDArray[np.float32]:
        """Return the distance of vectors (B, D) to each class (B, classes)."""
        if self._prototypes is not None:
            return distances_to(vectors, self._prototypes)
        number = len(self.classes)
        return class_distances(vectors, self._vectors, self._codes, number, self.rule)

    def rejected(self, distances: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which of (B, classes) distances are too far from every class."""
        limit = self.settings.reject_above_distance
        if limit is None:
            return np.zeros(len(distances), bool)
        far: npt.NDArray[np.bool_] = distances.min(axis=1) > limit
        return far

    def scores(self, distances: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the scores (B, classes) of distances (B, classes)."""
        return softmax_scores(distances, self.temperature)

    def classify(self, patterns: npt.NDArray[Any]) -> Classified:
        """Classify detector frames; no hit finder is applied.

        Parameters
        ----------
        patterns : (B, H, W) array
        """
        cropped = self.preprocessor.crop(patterns)
        good = ~is_skipped(cropped.flags)
        distances = np.full((len(good), len(self.classes)), np.nan, np.float32)
        inputs = self.preprocessor.normalise(cropped.photons[good])
        distances[good] = self.distances(self.embed_inputs(inputs))
        scores = distances.copy()
        scores[good] = self.scores(distances[good])
        labels = np.full(len(good), "", f"<U{max(map(len, (*self.classes, UNKNOWN)))}")
        nearest = distances[good].argmin(axis=1)
        names = np.array(self.classes)[nearest]
        labels[good] = np.where(self.rejected(distances[good]), UNKNOWN, names)
        return Classified(labels=labels, distances=distances, scores=scores)
