"""A small embedding network: four convolutions, a tenth of the paper's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from specklenn.core.model import EMBEDDING_SIZE

WIDTHS = (24, 40, 80, 32)


class CompactEncoder(nn.Module):
    """Maps patterns to unit vectors.

    A 5 x 5 convolution of stride two and three 3 x 3 convolutions, each with batch
    normalisation and ReLU, 2 x 2 max pooling after the second and the third; one
    fully connected layer; unit length.

    Parameters
    ----------
    input_side : int
        Side of the square input, pixels; a multiple of 8.
    embedding_size : int
        Length of the vector.

    Raises
    ------
    ValueError
        If the input is no multiple of 8 pixels.
    """

    architecture = "compact-1"

    def __init__(self, input_side: int, embedding_size: int = EMBEDDING_SIZE) -> None:
        super().__init__()
        if input_side < 8 or input_side % 8:
            raise ValueError(f"input of {input_side} pixels, a multiple of 8 expected")
        self.input_side = input_side
        self.embedding_size = embedding_size
        first, second, third, fourth = WIDTHS
        self.features = nn.Sequential(
            *_layer(1, first, size=5, stride=2),  # (B, 24, side / 2, side / 2)
            *_layer(first, second),
            nn.MaxPool2d(2),  # (B, 40, side / 4, side / 4)
            *_layer(second, third),
            nn.MaxPool2d(2),  # (B, 80, side / 8, side / 8)
            *_layer(third, fourth),
        )
        self.embedding = nn.Linear(fourth * (input_side // 8) ** 2, embedding_size)

    def forward(self, patterns: Tensor) -> Tensor:
        """Embed patterns.

        Parameters
        ----------
        patterns : (B, 1, side, side) float32
            Normalised, see `specklenn.core.preprocess`.

        Returns
        -------
        (B, embedding_size) float32
            Unit length.
        """
        features = torch.flatten(self.features(patterns), 1)
        return functional.normalize(self.embedding(features), dim=1)


def _layer(
    channels_in: int, channels_out: int, size: int = 3, stride: int = 1
) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(
        channels_in, channels_out, size, stride, padding=size // 2, bias=False
    )
    return convolution, nn.BatchNorm2d(channels_out), nn.ReLU()
