"""Embeds preprocessed patterns, a batch at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.distances import Embeddings
from specklenn.core.network.registry import Network

CPU_BATCH = 32
"""Patterns that go through the network at once on a CPU: what its caches hold."""

GPU_BATCH = 1024
"""The same on a GPU: what keeps it busy and fits into its memory."""


@torch.inference_mode()
def embed(encoder: Network, inputs: npt.NDArray[np.float32]) -> Embeddings:
    """Embed preprocessed patterns on the device that holds the network.

    Parameters
    ----------
    encoder : network
        In evaluation mode.
    inputs : (B, side, side) float32
        See `specklenn.core.preprocess.Preprocessor.normalise`.

    Returns
    -------
    (B, D) float32, unit length
    """
    device = next(encoder.parameters()).device
    batch = batch_size(device)
    vectors = np.empty((len(inputs), encoder.embedding_size), np.float32)
    for first in range(0, len(inputs), batch):
        part = slice(first, first + batch)
        patterns = torch.from_numpy(inputs[part, None]).to(device)
        vectors[part] = encoder(patterns).cpu().numpy()
    return vectors


def batch_size(device: torch.device) -> int:
    """Return how many patterns go through a network at once on a device."""
    return CPU_BATCH if device.type == "cpu" else GPU_BATCH
