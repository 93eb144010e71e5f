"""The released embedding network: small, and it uses how bright a pattern is.

The paper's patterns are brought to zero mean and unit variance before the network
gets them, so it cannot use that two particles scatter more than one. This network
gets the square roots of photons, standardises them itself and keeps the brightness
level that it divided out. Bad pixels come as NaN; a map of the good ones is part of
the input.

Diffraction at small angles is nearly symmetric about the beam (Friedel's law on a
nearly flat Ewald sphere), so every pixel has a Friedel mate that measured the same
with independent noise, also where the pixel itself is bad. Convolutions reach a few
pixels only, so the network gets every pattern together with its mates: the pattern
turned by 180 degrees.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from specklenn.core.network.prototype_adapter import PrototypeAdapter
from specklenn.core.network.specklenn2023 import EMBEDDING_SIZE

CHANNELS_IN = 4
"""Standardised pattern and map of its good pixels, and both turned by 180 degrees."""

CHANNELS = (32, 48, 96, 48)
"""Of the four convolutions."""

LEVELS = 2
"""Numbers that say how bright a pattern is, see `split_level`."""

LEVEL_FEATURES = 32
HIDDEN = 384

LOG_OFFSET = 1e-4
"""Added to levels before their logarithm: far below one photon on the pattern."""


class CompactEncoder(nn.Module):
    """Maps patterns to unit vectors.

    A 5 x 5 convolution of stride two and three 3 x 3 convolutions, each with batch
    normalisation and ReLU, 2 x 2 max pooling after the second and the third; two
    fully connected layers; unit length. Every convolution's channels are scaled and
    shifted by functions of the level (feature-wise modulation, Perez et al. 2018), so
    that filters may differ with the number of photons.

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

    architecture = "compact-3"
    pooled_sizes = CHANNELS

    def __init__(self, input_side: int, embedding_size: int = EMBEDDING_SIZE) -> None:
        super().__init__()
        if input_side < 8 or input_side % 8:
            raise ValueError(f"input of {input_side} pixels, a multiple of 8 expected")
        self.input_side = input_side
        self.embedding_size = embedding_size
        first, second, third, fourth = CHANNELS
        self.layers = nn.ModuleList(
            (
                # (B, 32, side / 2, side / 2)
                ModulatedConvolution(CHANNELS_IN, first, size=5, stride=2),
                # (B, 48, side / 4, side / 4)
                ModulatedConvolution(first, second, pool=2),
                # (B, 96, side / 8, side / 8)
                ModulatedConvolution(second, third, pool=2),
                # (B, 48, side / 8, side / 8)
                ModulatedConvolution(third, fourth),
            )
        )
        self.level = _two_layers(LEVEL_FEATURES)
        features = fourth * (input_side // 8) ** 2 + LEVEL_FEATURES
        self.hidden = nn.Linear(features, HIDDEN, bias=False)
        self.normalisation = nn.BatchNorm1d(HIDDEN)
        self.embedding = nn.Linear(HIDDEN, embedding_size)
        self.prototype_adapter: PrototypeAdapter | None = PrototypeAdapter(
            embedding_size
        )

    def forward(self, patterns: Tensor) -> Tensor:
        """Embed patterns.

        Parameters
        ----------
        patterns : (B, 1, side, side) float32
            Square roots of photons per pixel, NaN where bad: not standardised, see
            `specklenn.core.preprocess.Preprocessing`.

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
        pictures, levels = split_level(patterns)
        pooled = []
        for layer in self.layers:
            pictures = layer(pictures, levels)
            pooled.append(pictures.mean(dim=(2, 3)))
        features = torch.cat((torch.flatten(pictures, 1), self.level(levels)), dim=1)
        return features, pooled

    def project(self, features: Tensor) -> Tensor:
        """Return the unit vectors (B, embedding_size) of features, see `convolve`."""
        hidden = functional.relu(self.normalisation(self.hidden(features)))
        return functional.normalize(self.embedding(hidden), dim=1)

    @property
    def last_layers(self) -> tuple[nn.Module, ...]:
        """The fully connected layers, which `project` uses."""
        return self.hidden, self.normalisation, self.embedding


class ModulatedConvolution(nn.Module):
    """A convolution whose channels are scaled and shifted by the level.

    Parameters
    ----------
    channels_in, channels_out : int
    size, stride : int
        Filter size and stride of the convolution, which is padded.
    pool : int
        Side of the maximum's window, 1 for none.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int = 3,
        stride: int = 1,
        pool: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            channels_in, channels_out, size, stride, padding=size // 2, bias=False
        )
        self.normalisation = nn.BatchNorm2d(channels_out)
        # Untrained, the level changes nothing.
        self.modulation = _two_layers(2 * channels_out, zero=True)
        self.pool = pool

    def forward(self, pictures: Tensor, levels: Tensor) -> Tensor:
        """Return the next layer's (B, channels_out, h, w) pictures."""
        gain, shift = self.modulation(levels)[:, :, None, None].chunk(2, dim=1)
        values = self.normalisation(self.convolution(pictures))
        values = functional.relu(values * (1 + gain) + shift)
        return functional.max_pool2d(values, self.pool) if self.pool > 1 else values


def split_level(patterns: Tensor) -> tuple[Tensor, Tensor]:
    """Split patterns into standardised pictures with their good pixels, and levels.

    Parameters
    ----------
    patterns : (B, 1, H, W) float32
        Square roots of photons per pixel, NaN where bad.

    Returns
    -------
    pictures : (B, 4, H, W) float32
        Zero mean and unit variance over good pixels, 0 at bad ones; 1 at good
        pixels, 0 at bad ones; and both turned by 180 degrees.
    levels : (B, 2) float32
        Decimal logarithms of the mean photons per good pixel and of the variance of
        their square roots.
    """
    good = ~patterns.isnan()
    values = torch.where(good, patterns, 0.0)
    number = good.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    centred = (values - values.sum(dim=(2, 3), keepdim=True) / number) * good
    variance = centred.square().sum(dim=(2, 3), keepdim=True) / number
    photons = values.square().sum(dim=(2, 3), keepdim=True) / number
    pictures = centred / variance.sqrt().clamp_min(1e-6)
    levels = torch.cat((photons, variance), dim=1)[:, :, 0, 0]
    channels = torch.cat((pictures, good.to(pictures.dtype)), dim=1)
    mates = channels.flip(2, 3)
    return torch.cat((channels, mates), dim=1), torch.log10(levels + LOG_OFFSET)


def _two_layers(outputs: int, zero: bool = False) -> nn.Sequential:
    """Return a small network from the levels to some numbers; untrained, 0 if so."""
    last = nn.Linear(32, outputs)
    if zero:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(LEVELS, 32), nn.ReLU(), last)
