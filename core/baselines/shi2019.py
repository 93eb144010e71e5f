"""The small convolutional network of Shi et al. (2019), as a baseline.

From the paper, as far as it is known here: three convolutions of 5, 3 and 2 channels,
two fully connected layers, a sigmoid that says how likely a pattern is a single-hit,
and the threshold 0.9 for calling it one. Our choice, since the paper's text was not at
hand: kernels of 5 x 5 pixels with padding, ReLU and 2 x 2 maximum pooling behind each
convolution, 16 hidden units, Adam on the binary cross-entropy with both classes
weighing the same, and the number of steps; steps, pooling and rate were chosen on
structures of the training split.

References
----------
Shi, Y. et al. (2019), Evaluation of the performance of classification algorithms for
XFEL single-particle imaging data, IUCrJ 6, 331-340, doi:10.1107/S2052252519001854.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from specklenn.core.network.specklenn2023 import store_channels_last
from specklenn.core.training.augment import turn_and_mirror

Inputs = npt.NDArray[np.float32]

CHANNELS = (5, 3, 2)
KERNEL = 5
HIDDEN = 16
THRESHOLD = 0.9
LEARNING_RATE = 0.01
BATCH = 16
"""Most patterns of each class in a step."""
QUERIES = 512
"""Patterns that are classified at once."""


class ShiNetwork(nn.Module):
    """Says how likely a pattern is of the first class.

    Parameters
    ----------
    input_side : int
        Side of the square input, pixels; 8 or more.

    Raises
    ------
    ValueError
        If the input is smaller than 8 pixels.
    """

    def __init__(self, input_side: int) -> None:
        super().__init__()
        if input_side < 8:
            raise ValueError(f"input of {input_side} pixels, at least 8 expected")
        first, second, third = CHANNELS
        self.features = nn.Sequential(
            *_layer(1, first),  # (B, 5, side / 2, side / 2)
            *_layer(first, second),  # (B, 3, side / 4, side / 4)
            *_layer(second, third),  # (B, 2, side / 8, side / 8)
        )
        self.hidden = nn.Linear(third * (input_side // 8) ** 2, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)

    def logits(self, patterns: Tensor) -> Tensor:
        """Return what goes into the sigmoid, (B,) float32."""
        features = torch.flatten(self.features(patterns), 1)
        hidden = functional.relu(self.hidden(features))
        output: Tensor = self.output(hidden)[:, 0]
        return output

    def forward(self, patterns: Tensor) -> Tensor:
        """Return probabilities.

        Parameters
        ----------
        patterns : (B, 1, side, side) float32
            Normalised, see `specklenn.core.preprocess`.

        Returns
        -------
        (B,) float32, 0 to 1
        """
        return torch.sigmoid(self.logits(patterns))


def train_shi(
    inputs: Inputs, first: npt.NDArray[np.bool_], steps: int, seed: int
) -> ShiNetwork:
    """Train the network on some labelled patterns.

    Every step shows as many patterns of either class, each turned by quarter turns and
    mirrored at random: these move pixels and leave their noise as it is.

    Parameters
    ----------
    inputs : (N, side, side) float32
        Prepared patterns.
    first : (N,) bool
        Whether a pattern is of the first class; some are and some are not.
    steps : int
    seed : int
        Of the weights, the order and the variations.

    Returns
    -------
    ShiNetwork
        In evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    network = _new_network(inputs.shape[-1], seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    patterns = torch.from_numpy(inputs)[:, None]
    sides = [torch.from_numpy(np.flatnonzero(first == is_first)) for is_first in (1, 0)]
    for _ in range(steps):
        drawn = [_draw(rows, generator) for rows in sides]
        target = torch.cat([torch.ones(len(drawn[0])), torch.zeros(len(drawn[1]))])
        logits = network.logits(turn_and_mirror(patterns[torch.cat(drawn)], generator))
        weights = torch.where(target > 0, 1 / len(drawn[0]), 1 / len(drawn[1]))
        loss = functional.binary_cross_entropy_with_logits(logits, target, weights)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return network.eval()


@torch.inference_mode()
def probabilities(network: ShiNetwork, inputs: Inputs) -> Inputs:
    """Return how likely patterns are of the first class.

    Parameters
    ----------
    network : ShiNetwork
    inputs : (N, side, side) float32

    Returns
    -------
    (N,) float32, 0 to 1
    """
    patterns = torch.from_numpy(inputs)[:, None]
    parts = [
        network(patterns[at : at + QUERIES]) for at in range(0, len(patterns), QUERIES)
    ]
    return torch.cat(parts).numpy()


def _layer(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels_in, channels_out, KERNEL, padding=KERNEL // 2)
    # The maximum first: the same result on a quarter of the pixels.
    return convolution, nn.MaxPool2d(2), nn.ReLU()


def _new_network(input_side: int, seed: int) -> ShiNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ShiNetwork(input_side)
    store_channels_last(network)
    return network


def _draw(rows: Tensor, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:BATCH]]
