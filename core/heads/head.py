"""What a classification head is: fitted to supports, it scores patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
"""Features of patterns, (B, F) float32, see `FeatureLayout`."""

Codes = npt.NDArray[np.int64]
"""Numbers of classes, (B,) int64."""

Floats = npt.NDArray[np.float64]


class ClassScores(NamedTuple):
    """What a head says about some patterns.

    Parameters
    ----------
    distances : (B, classes) float32
        To each class, in the head's units: how unlike its supports a pattern is.
    scores : (B, classes) float32, 0 to 1
        Probabilities of the classes, which sum to one. The highest wins.
    """

    distances: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class FittedHead(Protocol):
    """A head that knows its supports."""

    def __call__(self, features: Features) -> ClassScores:
        """Score patterns by their features, (B, F) float32."""
        ...


class Head(Protocol):
    """A way to classify by supports."""

    def fit(self, task: Task) -> FittedHead:
        """Fit to the supports of a task; the same task gives the same answers."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What a head is fitted to.

    Parameters
    ----------
    supports : (S, F) float32
        Features of the supports.
    classes : (S,) int64
        Class of each support, 0 to ``n_classes`` - 1; every class has one.
    n_classes : int
    unlabelled : (U, F) float32 or None
        Features of shots of the same run, of any class or of none.
    """

    supports: Features
    classes: Codes
    n_classes: int
    unlabelled: Features | None = None

    @property
    def counts(self) -> Codes:
        """Number of supports of each class, (n_classes,) int64."""
        return np.bincount(self.classes, minlength=self.n_classes)


@dataclass(frozen=True, kw_only=True)
class FeatureBlock:
    """Neighbouring columns of the features that mean the same kind of thing.

    Parameters
    ----------
    name : str
        See `specklenn.core.heads.feature_space.Weighting`.
    size : int
        Number of columns.
    """

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class FeatureLayout:
    """How the columns of features are ordered: embedding first, then the blocks.

    Parameters
    ----------
    embedding_size : int
        Length of the embedding, a unit vector.
    blocks : tuple of FeatureBlock
        Of the columns after it.
    """

    embedding_size: int
    blocks: tuple[FeatureBlock, ...]

    @property
    def size(self) -> int:
        """Number of columns."""
        return self.embedding_size + sum(block.size for block in self.blocks)

    def embeddings(self, features: Features) -> Features:
        """Return the embeddings of features (B, F)."""
        return features[:, : self.embedding_size]


def softmax(logits: Floats) -> Floats:
    """Turn logits (..., classes) into probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
