"""What real detectors and beamlines add to patterns, drawn anew for every scene.

None of it is in the simulated shots that measure a model; it is there so that a model
made of simulations alone still finds its way in measured ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

GAIN_CHANCE = 0.15
ROW_CHANCE = 0.15
HOT_CHANCE = 0.25
STRAY_CHANCE = 0.25
MOST_HOT_PIXELS = 6


def stray_light(number: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw light scattered around the beam: an elliptical glow of varying strength.

    Parameters
    ----------
    number : int
        Patterns of the scene; the glow has one shape and another strength in each.
    side : int
        Of the patterns, pixels.
    generator : torch.Generator

    Returns
    -------
    (number, side, side) float32, expected photons per pixel
        All zero in most scenes.
    """
    if uniform(0, 1, generator) > STRAY_CHANCE:
        return torch.zeros(number, side, side)
    axis = torch.arange(side) + 0.5 - side / 2
    angle = torch.tensor(uniform(0, torch.pi, generator))
    along = axis[:, None] * angle.cos() + axis[None, :] * angle.sin()
    across = axis[None, :] * angle.cos() - axis[:, None] * angle.sin()
    stretch = uniform(1, 4, generator)
    distance = torch.hypot(along / stretch, across * stretch)
    glow = torch.exp(-distance / uniform(1.5, 6, generator))
    strength = 10 ** uniform(-1, 2, generator)
    share = 0.2 + 0.8 * torch.rand(number, 1, 1, generator=generator)
    return strength * share * glow


def electronics(photons: Tensor, generator: torch.Generator) -> Tensor:
    """Add what a detector's electronics do to the patterns of a scene.

    Rows or columns that are off together, a few hot pixels, a gain that is not known
    (frames in ADU).

    Parameters
    ----------
    photons : (B, side, side) float32, photons per pixel
    generator : torch.Generator

    Returns
    -------
    (B, side, side) float32
    """
    if uniform(0, 1, generator) < ROW_CHANCE:
        spread = 10 ** uniform(-1.5, -0.3, generator)
        offsets = spread * torch.randn(photons.shape[:2], generator=generator)
        by_row = uniform(0, 1, generator) < 0.5
        photons = photons + (offsets[:, :, None] if by_row else offsets[:, None, :])
    if uniform(0, 1, generator) < HOT_CHANCE:
        photons = _with_hot_pixels(photons, generator)
    if uniform(0, 1, generator) < GAIN_CHANCE:
        photons = photons * 10 ** uniform(-0.5, 1.0, generator)
    return photons


def _with_hot_pixels(photons: Tensor, generator: torch.Generator) -> Tensor:
    """Brighten some pixels, the same ones in all patterns."""
    number, side, _ = photons.shape
    few = int(torch.randint(1, MOST_HOT_PIXELS + 1, (), generator=generator))
    places = torch.randint(side * side, (few,), generator=generator)
    bright = 10 ** (2.5 * torch.rand(number, few, generator=generator))
    added = torch.zeros(number, side * side).index_add_(1, places, bright)
    return photons + added.reshape(photons.shape)


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draw one number evenly between two."""
    return low + (high - low) * float(torch.rand((), generator=generator))
