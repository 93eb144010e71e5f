"""Faults of beams and detectors that no mask and no calibration tells, for training.

A beam that wanders, gaps that read zero, values that are cut off, an unknown gain or
zero. Every fault takes the photons of an episode and gives others; it is the same for
all patterns of the episode but for what changes from shot to shot by its nature.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from specklenn.core.training.draws import log_uniform, uniform

WANDERING = "wandering"

REACH = 4
"""Most pixels that a wandering beam is away from the middle."""

SECOND_FAULT = 0.4
"""Chance that an episode with a fault has another one, and again."""


def draw_faults(generator: torch.Generator) -> set[str]:
    """Draw one to three of the faults, the most harmful ones twice as often."""
    weights = torch.tensor(tuple(WEIGHTS.values()))
    number = 1 + sum(uniform(0, 1, generator) < SECOND_FAULT for _ in range(2))
    drawn = torch.multinomial(weights, number, generator=generator).tolist()
    names = tuple(WEIGHTS)
    return {names[index] for index in drawn}


def apply_faults(
    photons: Tensor,
    bad: Tensor,
    chosen: set[str],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Apply faults to the patterns of an episode, wandering first.

    Parameters
    ----------
    photons : (B, side, side) float32, photons per pixel
        Of a side that is 2 * `REACH` pixels longer if the beam is to wander.
    bad : (side, side) bool
        True where the mask tells.
    chosen : set of str
        Of `WEIGHTS`.
    generator : torch.Generator

    Returns
    -------
    photons : (B, side, side) float32
    bad : (side, side) bool
    """
    if WANDERING in chosen:
        photons = wander(photons, bad, generator)
        bad = bad[REACH:-REACH, REACH:-REACH]
    for name, fault in FAULTS.items():
        if name in chosen:
            photons = fault(photons, bad, generator)
    return photons, bad


def wander(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Move every pattern in a direction of its own and cut it out.

    In half of the episodes the dark shadow of stop and gaps moves with the light, out
    from behind the mask; in the others the light alone moves.

    Parameters
    ----------
    photons : (B, side + 2 * REACH, side + 2 * REACH) float32
    bad : likewise, bool
        The mask; its middle part stays over the result.
    generator : torch.Generator

    Returns
    -------
    (B, side, side) float32
    """
    if uniform(0, 1, generator) < 0.5:
        photons = photons.masked_fill(bad, 0.0)
    number, side = len(photons), photons.shape[-1] - 2 * REACH
    farthest = uniform(1, REACH, generator)
    distance = farthest * (0.5 + 0.5 * torch.rand(number, generator=generator))
    angle = 2 * math.pi * torch.rand(number, generator=generator)
    first = REACH + torch.stack((distance * angle.sin(), distance * angle.cos()))
    pixels = first.round().long()[:, :, None] + torch.arange(side)
    shots = torch.arange(number)[:, None, None]
    return photons[shots, pixels[0][:, :, None], pixels[1][:, None, :]]


def add_background(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Add photons from elsewhere, everywhere alike."""
    mean = torch.full_like(photons, log_uniform(0.1, 5.0, generator))
    return photons + torch.poisson(mean, generator=generator)


def add_common_mode(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the zero of the rows, or of the columns, of every pattern anew."""
    shifts = torch.randn(photons.shape[:2], generator=generator)
    shifts *= log_uniform(0.1, 3.0, generator)
    by_row = uniform(0, 1, generator) < 0.5
    return photons + (shifts[:, :, None] if by_row else shifts[:, None, :])


def change_gain(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply by a number from a tenth to ten."""
    return photons * log_uniform(0.1, 10.0, generator)


def add_offset(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the zero of all pixels, up in three episodes of four."""
    up = 1 if uniform(0, 1, generator) < 0.75 else -1
    return photons + up * log_uniform(0.1, 10.0, generator)


def darken(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Set one or two gaps or stops to zero: bands at any angle, or discs."""
    side = photons.shape[-1]
    axis = torch.arange(side) + 0.5 - side / 2
    dark = torch.zeros(side, side, dtype=torch.bool)
    for _ in range(1 if uniform(0, 1, generator) < 0.7 else 2):
        along_axes = uniform(0, 1, generator) < 0.5
        quarters = int(torch.randint(4, (), generator=generator))
        turn = 0.0 if along_axes else uniform(0, math.pi / 2, generator)
        angle = quarters * math.pi / 2 + turn
        across = axis[:, None] * math.cos(angle) + axis * math.sin(angle)
        along = axis * math.cos(angle) - axis[:, None] * math.sin(angle)
        from_band = (across - uniform(0, 12, generator)).abs()
        if uniform(0, 1, generator) < 0.7:
            dark |= from_band < uniform(0.5, 4, generator)
        else:
            dark |= torch.hypot(from_band, along) < uniform(1, 7, generator)
    return photons.masked_fill(dark, 0.0)


def cut_off(photons: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
    """Cut values off below and above, as detectors and published pictures do.

    In half of the episodes at the mean of every pattern and one standard deviation
    above it; else close to these, or below a threshold and above a saturation that
    are the same for all patterns. Detector pixels are cut, of which a pixel here is
    2 x 2.
    """
    pixels = split_photons(photons, generator)  # (4, B, side, side)
    good = (~bad).float()
    number = 4 * good.sum().clamp_min(1.0)
    mean = (pixels * good).sum(dim=(0, 2, 3), keepdim=True) / number
    squares = ((pixels - mean).square() * good).sum(dim=(0, 2, 3), keepdim=True)
    deviation = (squares / number).sqrt().clamp_min(1e-6)
    kind = uniform(0, 1, generator)
    if kind < 0.75:
        low, span = 0.0, 1.0
        if kind > 0.5:
            low, span = uniform(-0.5, 0.5, generator), log_uniform(0.5, 4, generator)
        cut = ((pixels - mean) / deviation - low).clamp(0.0, span)
    else:
        threshold = log_uniform(0.1, 2.0, generator)
        most = mean.mean() * log_uniform(1.0, 30.0, generator)
        cut = torch.where(pixels < threshold, 0.0, pixels).minimum(most)
    return cut.sum(dim=0)


def split_photons(photons: Tensor, generator: torch.Generator) -> Tensor:
    """Share the whole photons of pixels out among four, (4, ...) float32.

    What is no whole photon (noise, an offset) is shared evenly.
    """
    whole = photons.clamp_min(0.0).floor()
    half = torch.full_like(whole, 0.5)
    upper = torch.binomial(whole, half, generator=generator)
    parts = []
    for two in (upper, whole - upper):
        one = torch.binomial(two, half, generator=generator)
        parts += [one, two - one]
    return torch.stack(parts) + (photons - whole) / 4


Fault = Callable[[Tensor, Tensor, torch.Generator], Tensor]

FAULTS: dict[str, Fault] = {
    "background": add_background,
    "common mode": add_common_mode,
    "gain": change_gain,
    "offset": add_offset,
    "gap": darken,
    "cut": cut_off,
}
"""In the order in which they are applied."""

WEIGHTS = {name: 1.0 for name in FAULTS} | {WANDERING: 2.0, "gap": 2.0, "cut": 2.0}
"""How often each is drawn, relative to the others."""
