"""Embeds prepared patterns, a batch at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.network.registry import Network

Embeddings = npt.NDArray[np.float32]
EMBED_BATCH = 256


@torch.inference_mode()
def embed(encoder: Network, inputs: npt.NDArray[np.float32]) -> Embeddings:
    """Embed prepared patterns in batches.

    Parameters
    ----------
    encoder : network
        In evaluation mode.
    inputs : (N, side, side) float32

    Returns
    -------
    (N, D) float32, unit length
    """
    parts = [
        encoder(torch.from_numpy(inputs[first : first + EMBED_BATCH])[:, None]).numpy()
        for first in range(0, len(inputs), EMBED_BATCH)
    ]
    return np.concatenate(parts)
