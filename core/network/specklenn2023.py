"""The paper's embedding network (IUCrJ 2023, section 3.1 and Fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from specklenn.core.network.prototype_adapter import PrototypeAdapter

EMBEDDING_SIZE = 128
"""Length D of the vectors."""


class Encoder(nn.Module):
    """Maps patterns to unit vectors.

    Two 5 x 5 convolutions of 32 and 64 channels, stride one, no padding, each
    followed by ReLU, batch normalisation and 2 x 2 max pooling; two fully
    connected layers of 512 and 128; unit length.

    Parameters
    ----------
    input_side : int
        Side of the square input, pixels.
    embedding_size : int
        Length of the vector.
    initial_std : float
        Weights start as a Gaussian of this standard deviation, biases at 0
        (section 3.4: 0.2).

    Raises
    ------
    ValueError
        If the input is too small for the two convolutions.
    """

    architecture = "specklenn-2023"
    pooled_sizes = (32, 64)
    prototype_adapter: PrototypeAdapter | None = None
    """The paper's network has none."""

    def __init__(
        self,
        input_side: int,
        embedding_size: int = EMBEDDING_SIZE,
        initial_std: float = 0.2,
    ) -> None:
        super().__init__()
        side = ((input_side - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"input of {input_side} pixels, at least 16 expected")
        self.input_side = input_side
        self.embedding_size = embedding_size
        self.convolution_1 = nn.Conv2d(1, 32, kernel_size=5)
        self.normalisation_1 = nn.BatchNorm2d(32)
        self.convolution_2 = nn.Conv2d(32, 64, kernel_size=5)
        self.normalisation_2 = nn.BatchNorm2d(64)
        self.hidden = nn.Linear(64 * side * side, 512)
        self.embedding = nn.Linear(512, embedding_size)
        self._initialise(initial_std)

    def _initialise(self, std: float) -> None:
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(layer.weight, mean=0.0, std=std)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

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
        return self.embed_and_pool(patterns)[0]

    def embed_and_pool(self, patterns: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embed patterns, and average every convolution's channels over the picture.

        Parameters
        ----------
        patterns : (B, 1, side, side) float32
            As for `forward`.

        Returns
        -------
        embeddings : (B, embedding_size) float32
            Unit length.
        pooled : list of (B, channels) float32
            Of each convolution, see `pooled_sizes`.
        """
        features, pooled = self.convolve(patterns)
        return self.project(features), pooled

    def convolve(self, patterns: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what the fully connected layers get, and the pooled channels.

        Parameters
        ----------
        patterns : (B, 1, side, side) float32
            As for `forward`.

        Returns
        -------
        features : (B, C) float32
        pooled : list of (B, channels) float32
            See `embed_and_pool`.
        """
        x = self.convolution_1(patterns)  # (B, 32, side - 4, side - 4)
        x = self.normalisation_1(functional.relu(x))
        x = functional.max_pool2d(x, 2)  # (B, 32, half, half)
        first = x.mean(dim=(2, 3))
        x = self.convolution_2(x)  # (B, 64, half - 4, half - 4)
        x = self.normalisation_2(functional.relu(x))
        x = functional.max_pool2d(x, 2)  # (B, 64, quarter, quarter)
        return torch.flatten(x, 1), [first, x.mean(dim=(2, 3))]

    def project(self, features: Tensor) -> Tensor:
        """Return the unit vectors (B, embedding_size) of features, see `convolve`."""
        hidden = functional.relu(self.hidden(features))  # (B, 512)
        return functional.normalize(self.embedding(hidden), dim=1)

    @property
    def last_layers(self) -> tuple[nn.Module, ...]:
        """The fully connected layers, which `project` uses."""
        return self.hidden, self.embedding


def store_channels_last(encoder: nn.Module) -> None:
    """Store the filters with channels last: CPU convolutions are 1.5 times as fast.

    Filters that are stored so already are not touched: another thread may use them.
    """
    for parameter in encoder.parameters():
        if parameter.ndim == 4 and parameter.stride() != _channels_last(parameter):
            # A copy: with one input channel both layouts count as contiguous, and
            # only the copy gets the strides that the convolution looks at.
            parameter.data = parameter.data.clone(memory_format=torch.channels_last)


def _channels_last(parameter: Tensor) -> tuple[int, int, int, int]:
    """Return the strides of filters (number, channels, rows, columns)."""
    _, channels, rows, columns = parameter.shape
    return rows * columns * channels, 1, columns * channels, channels
