"""Scenes: what one experiment would see of a few samples, for few-shot training.

All patterns of a scene share a mask, a zoom, a background and a read noise, drawn
anew for every scene, as they would in one beamtime. The patterns come noise-free.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from specklenn.core.settings import Settings
from specklenn.core.simulation.ranges import Range
from specklenn.core.training.augment import (
    Augmentation,
    expose,
    normalise,
    random_patches,
    warp,
)

GAMMA_SHAPE = 2.5
SAME_ZOOM = 0.01
"""Patterns of one scene differ by this in their zoom."""


class SceneSettings(Settings):
    """How the patterns of one dataset are shown.

    Parameters
    ----------
    share : float
        Of the scenes, in units of the other datasets' shares.
    fluence : (lowest, highest)
        Factor on the patterns, drawn evenly in its logarithm for each scene.
    photons : (fewest, most) or None
        Instead: mean photons of the sample's first class, drawn in the same way.
    jitter : {"gamma", "focus"}
        Fluence from shot to shot: a gamma distribution of mean 1, or that of
        particles anywhere in a Gaussian focus.
    zoom : (smallest, largest)
        Of the patterns of a scene.
    """

    share: float = Field(default=1.0, gt=0)
    fluence: Range = (0.03, 30.0)
    photons: Range | None = None
    jitter: Literal["gamma", "focus"] = "gamma"
    zoom: Range = (0.95, 1.05)


def show(
    patterns: Tensor,
    first_class_photons: Tensor,
    side: int,
    scale: str,
    settings: SceneSettings,
    read_noise: float,
    generator: torch.Generator,
) -> Tensor:
    """Show the patterns of one scene to the network.

    Parameters
    ----------
    patterns : (B, H, W) float32, expected photons per pixel
        ``side`` pixels or more.
    first_class_photons : (B,) float32
        Mean photons of the first class of each pattern's sample.
    side : int
        Of the network's input, pixels.
    scale : {"linear", "sqrt", "log1p"}
    settings : SceneSettings
    read_noise : float, photons per pixel
        The most likely one; others are drawn as well.
    generator : torch.Generator

    Returns
    -------
    (B, 1, side, side) float32
    """
    low, high = settings.zoom
    zoom = _uniform(low, high, generator)
    turn = Augmentation(
        zoom=(zoom * (1 - SAME_ZOOM), zoom * (1 + SAME_ZOOM)), shift_pixels=0.7
    )
    moved = warp(patterns[:, None], side, turn, generator)[:, 0]
    fluence = _fluence(first_class_photons, settings, generator)
    if _uniform(0, 1, generator) < 0.5:
        background = 10 ** _uniform(-3.5, -0.5, generator)
        moved = moved + background / fluence[:, None, None]
    noise = _read_noise(read_noise, generator)
    photons = expose(moved, fluence, noise, generator)
    bad = random_mask(side, generator).expand_as(photons)
    return normalise(photons, bad, scale)


def random_mask(side: int, generator: torch.Generator) -> Tensor:
    """Draw the bad pixels of a detector, (side, side) bool, True where bad.

    A gap, a round hole or a rectangular beam stop in the middle; now and then three
    quarters or half of the detector, and rectangles anywhere.
    """
    bad = torch.zeros(side, side, dtype=torch.bool)
    middle = (side + _uniform(-2, 2, generator)) / 2
    axis = torch.arange(side) + 0.5 - middle
    rows, columns = axis[:, None], axis[None, :]
    if _uniform(0, 1, generator) < 0.6:
        gap = (axis.abs() < _uniform(0.5, 2.5, generator)).expand(side, side)
        bad |= gap if _uniform(0, 1, generator) < 0.5 else gap.T
    kind = _uniform(0, 1, generator)
    if kind < 0.35:
        bad |= (rows**2 + columns**2).sqrt() < _uniform(1.0, 4.0, generator)
    elif kind < 0.7:
        high, wide = _uniform(0.6, 2.6, generator), _uniform(0.6, 2.6, generator)
        bad |= (rows.abs() < high) & (columns.abs() < wide)
    if _uniform(0, 1, generator) < 0.08:
        bad |= _part_missing(side, generator)
    if _uniform(0, 1, generator) < 0.25:
        bad |= random_patches(1, side, Augmentation(), generator)[0]
    return bad


def _part_missing(side: int, generator: torch.Generator) -> Tensor:
    """Return half or three quarters of the pixels, (side, side) bool."""
    seen = torch.zeros(side, side, dtype=torch.bool)
    rows = side // 2 if _uniform(0, 1, generator) < 0.7 else side
    seen[:rows, : side // 2] = True
    return ~seen.rot90(int(torch.randint(4, (), generator=generator)))


def _fluence(
    first_class_photons: Tensor, settings: SceneSettings, generator: torch.Generator
) -> Tensor:
    """Draw the factor on every pattern of a scene, (B,) float32."""
    low, high = settings.photons or settings.fluence
    base = math.exp(_uniform(math.log(low), math.log(high), generator))
    number = len(first_class_photons)
    if settings.jitter == "gamma":
        rates = torch.full((number,), GAMMA_SHAPE)
        jitter = torch._standard_gamma(rates, generator=generator) / GAMMA_SHAPE
        jitter = jitter.clamp(0.1, 4.0)
    else:
        # exp(-4 ln 2 r^2) of places even over a disc, as wide as up to the focus.
        depth = _uniform(0, 4, generator) * torch.rand(number, generator=generator)
        jitter = torch.exp2(-depth)
    if settings.photons is None:
        return base * jitter
    return base * jitter / first_class_photons.clamp_min(1e-6)


def _read_noise(usual: float, generator: torch.Generator) -> float:
    """Draw the read noise of a scene: none, the usual one, or anything."""
    kind = _uniform(0, 3, generator)
    if kind < 1:
        return 0.0
    return usual if kind < 2 else 10 ** _uniform(-1.0, 0.2, generator)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
