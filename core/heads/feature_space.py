"""Features made comparable: every column by its own spread, every block by its weight.

What is far and what is near differs from detector to detector; so the spread is that
of the supports, and of unlabelled shots of the run where there are some.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.heads.head import FeatureLayout, Features, Floats


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """Shares of the embedding and of each block in squared distances.

    Parameters
    ----------
    embedding : float
    earlier_layers, last_layer : float
        Of the convolutions' channels, averaged over the picture.
    fano, profile, contrast : float
        Of the ring statistics.
    """

    embedding: float
    earlier_layers: float = 0.5
    last_layer: float = 1.0
    fano: float = 1.0
    profile: float = 0.3
    contrast: float = 0.3


BY_RINGS = Weighting(embedding=0.5, fano=3.0)
"""For patterns that the network was not trained for."""

BY_EMBEDDING = Weighting(embedding=4.5)
"""For patterns like those that it was trained on."""

OUTLIERS = 4.0
"""Standard deviations at which a column of a block is clipped."""

LEAST_SPREAD = 0.25
"""A column that hardly varies counts as if it varied by this share of its block."""


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """A map from features to vectors whose Euclidean distances mean something.

    Parameters
    ----------
    means, scales : (F,) float64
        Subtracted from the columns, then multiplied.
    limits : (F,) float64
        Largest absolute value of each column of the vectors.
    """

    means: Floats
    scales: Floats
    limits: Floats

    @classmethod
    def fit(
        cls, reference: Features, layout: FeatureLayout, weighting: Weighting
    ) -> FeatureSpace:
        """Take the spread of reference patterns, (N, F) float32."""
        values = reference.astype(np.float64)
        spread = values.std(axis=0)
        embedding, *blocks = _split(spread, layout)
        scales = [np.full_like(embedding, _inverse(np.sqrt((embedding**2).sum())))]
        scales[0] *= np.sqrt(weighting.embedding)
        limits = [np.full_like(embedding, np.inf)]
        for block, own in zip(layout.blocks, blocks, strict=True):
            share = np.sqrt(getattr(weighting, block.name) / block.size)
            scales.append(share * _inverse(np.maximum(own, LEAST_SPREAD * own.mean())))
            limits.append(np.full_like(own, OUTLIERS * share))
        return cls(values.mean(axis=0), np.concatenate(scales), np.concatenate(limits))

    def __call__(self, features: Features) -> Floats:
        """Map features (B, F) to vectors (B, F) float64."""
        vectors: Floats = (features - self.means) * self.scales
        return np.clip(vectors, -self.limits, self.limits)


def _split(columns: Floats, layout: FeatureLayout) -> list[Floats]:
    """Return the columns of the embedding and of each block."""
    sizes = [layout.embedding_size, *(block.size for block in layout.blocks)]
    return np.split(columns, np.cumsum(sizes)[:-1])


def _inverse(spread: npt.ArrayLike) -> Floats:
    """Return 1 / spread, 0 where nothing varies: such columns say nothing."""
    values = np.asarray(spread, np.float64)
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 1e-9)
