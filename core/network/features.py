"""The features of patterns that classification heads get.

The embedding first; then what the network's layers have seen, averaged over the
picture, and statistics of the rings about the beam. These need no training to hold on
patterns of another detector.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.heads.head import FeatureBlock, FeatureLayout, Features
from specklenn.core.network.embed import batch_size
from specklenn.core.network.registry import Network
from specklenn.core.network.ring_statistics import (
    RINGS,
    STATISTICS,
    ring_statistics,
)


def feature_layout(encoder: Network) -> FeatureLayout:
    """Return how the features of a network's patterns are ordered."""
    *earlier, last = encoder.pooled_sizes
    blocks = [
        FeatureBlock(name="earlier_layers", size=sum(earlier)),
        FeatureBlock(name="last_layer", size=last),
        *(FeatureBlock(name=name, size=RINGS) for name in STATISTICS),
    ]
    return FeatureLayout(embedding_size=encoder.embedding_size, blocks=tuple(blocks))


@torch.inference_mode()
def extract_features(encoder: Network, inputs: npt.NDArray[np.float32]) -> Features:
    """Return the features of preprocessed patterns, the embedding first.

    Parameters
    ----------
    encoder : network
        In evaluation mode.
    inputs : (B, side, side) float32
        See `specklenn.core.preprocess.Preprocessor.normalise`.

    Returns
    -------
    (B, F) float32
        See `feature_layout`.
    """
    device = next(encoder.parameters()).device
    batch = batch_size(device)
    rings = ring_statistics(inputs)
    features = np.empty((len(inputs), feature_layout(encoder).size), np.float32)
    for first in range(0, len(inputs), batch):
        part = slice(first, first + batch)
        patterns = torch.from_numpy(inputs[part, None]).to(device)
        embeddings, pooled = encoder.embed_and_pool(patterns)
        of_network = torch.cat((embeddings, *pooled), dim=1).cpu().numpy()
        features[part] = np.concatenate((of_network, rings[part]), axis=1)
    return features
