"""Variations of patterns in training (section 3.5 of the paper), batch-wise.

Rotation, zoom and shift are one resampling of the pattern; it may be larger
than what the network sees, so that rotated corners hold data. They belong
before the noise where patterns are noise-free, since resampling smooths noise.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings


class Augmentation(Settings):
    """What is varied, and how far.

    Parameters
    ----------
    rotate : bool
        In-plane rotation by any angle.
    zoom : (smallest, largest)
        Factor, drawn evenly.
    shift_pixels : float
        Largest shift along rows and columns, pixels of the network's input.
    patches : int
        Most rectangles that are masked out, 0 to this many are drawn.
    patch_share : float
        Longest side of a rectangle as a share of the input's side.
    """

    rotate: bool = True
    zoom: tuple[float, float] = (0.9, 1.1)
    shift_pixels: float = Field(default=1.0, ge=0)
    patches: int = Field(default=2, ge=0, le=100)
    patch_share: float = Field(default=0.3, gt=0, le=1)


def warp(
    patterns: Tensor,
    side: int,
    settings: Augmentation,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Rotate, zoom and shift patterns and cut out their centres.

    Intensities are carried along as they are, photons per pixel.

    Parameters
    ----------
    patterns : (B, C, H, W) float32
        ``side`` pixels or more; all channels are moved alike.
    side : int
        Of the result, pixels.
    settings : Augmentation
    generator : torch.Generator, optional

    Returns
    -------
    (B, C, side, side) float32
    """
    number, channels, height, width = patterns.shape
    if min(height, width) < side:
        raise ValueError(
            f"patterns of {height} x {width} pixels, at least {side} expected"
        )
    uniform = torch.rand(4, number, generator=generator)
    angle = uniform[0] * (2 * torch.pi if settings.rotate else 0.0)
    low, high = settings.zoom
    shrink = 1.0 / (low + (high - low) * uniform[1])
    shifts = (2.0 * uniform[2:] - 1.0) * settings.shift_pixels
    cosine, sine = torch.cos(angle) * shrink, torch.sin(angle) * shrink
    across, down = side / width, side / height
    matrices = torch.stack(
        (
            torch.stack((cosine * across, -sine * across, 2 * shifts[0] / width), -1),
            torch.stack((sine * down, cosine * down, 2 * shifts[1] / height), -1),
        ),
        dim=1,
    )  # (B, 2, 3)
    grid = functional.affine_grid(
        matrices, [number, channels, side, side], align_corners=False
    )
    return functional.grid_sample(
        patterns, grid, padding_mode="border", align_corners=False
    )


def random_patches(
    number: int,
    side: int,
    settings: Augmentation,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw rectangles that are masked out.

    Returns
    -------
    (number, side, side) bool
        True where masked.
    """
    if settings.patches == 0:
        return torch.zeros(number, side, side, dtype=torch.bool)
    shape = (4, number, settings.patches)
    uniform = torch.rand(shape, generator=generator)
    count = torch.rand(number, 1, generator=generator) * (settings.patches + 1)
    drawn = torch.arange(settings.patches) < count.floor()
    half = 0.5 * settings.patch_share * uniform[:2] * drawn
    pixel = (torch.arange(side) + 0.5) / side
    rows = (pixel - uniform[2][..., None]).abs() < half[0][..., None]
    columns = (pixel - uniform[3][..., None]).abs() < half[1][..., None]
    return (rows[..., :, None] & columns[..., None, :]).any(dim=1)


def turn_and_mirror(patterns: Tensor, generator: torch.Generator) -> Tensor:
    """Turn each pattern by quarter turns and mirror it, at random.

    Shots keep their noise as it is, while turning by any angle would smooth it: these
    are patterns of the same particle, or of its mirror image, in other orientations.

    Parameters
    ----------
    patterns : (B, ..., side, side)
        What is NaN moves along.
    generator : torch.Generator

    Returns
    -------
    (B, ..., side, side)
    """
    turns = torch.randint(4, (len(patterns),), generator=generator)
    mirrored = torch.randint(2, (len(patterns),), generator=generator).bool()
    varied = patterns.clone()
    varied[mirrored] = patterns[mirrored].transpose(-1, -2)
    for turn in range(1, 4):
        chosen = turns == turn
        varied[chosen] = torch.rot90(varied[chosen], turn, (-2, -1))
    return varied


def add_noise(
    expected: Tensor,
    fluence: Tensor,
    read_noise: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Turn expected photons into counted ones with read noise.

    Parameters
    ----------
    expected : (B, H, W) float32, photons per pixel
    fluence : (B,) float32
        Factor per pattern.
    read_noise : float, photons per pixel
    generator : torch.Generator, optional

    Returns
    -------
    (B, H, W) float32
    """
    photons = torch.poisson(
        (expected * fluence[:, None, None]).clamp(0.0, 1e6), generator=generator
    )
    noise = torch.randn(photons.shape, generator=generator)
    return photons + read_noise * noise


def normalise(photons: Tensor, bad: Tensor, settings: Preprocessing) -> Tensor:
    """Scale patterns and, if asked for, bring them to zero mean and unit variance.

    The same arithmetic as `specklenn.core.preprocess.Preprocessor.normalise`, on
    patterns that are binned already; a second time because PyTorch's roots and float32
    sums differ from NumPy's in the last bits, which a training would show.

    Parameters
    ----------
    photons : (B, side, side) float32, photons per binned pixel
    bad : (B, side, side) bool
    settings : Preprocessing
        ``scale`` and ``standardise`` count.

    Returns
    -------
    (B, 1, side, side) float32
    """
    values = photons
    if settings.scale == "sqrt":
        values = photons.clamp_min(0.0).sqrt()
    elif settings.scale == "log1p":
        values = photons.clamp_min(0.0).log1p()
    if not settings.standardise:
        return values.masked_fill(bad, torch.nan)[:, None]
    good = (~bad).float()
    number = good.sum(dim=(1, 2), keepdim=True).clamp_min(1.0)
    mean = (values * good).sum(dim=(1, 2), keepdim=True) / number
    centred = (values - mean) * good
    variance = centred.square().sum(dim=(1, 2), keepdim=True) / number
    return (centred / variance.sqrt().clamp_min(1e-6))[:, None]
