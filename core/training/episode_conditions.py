"""Domain randomisation: the conditions of one experiment, for few-shot training.

All patterns of an episode share a mask, a zoom, a background and a read noise, drawn
anew for every episode, as they would in one beamtime. The patterns come noise-free.

Some episodes also have artefacts, which real detectors and beamlines add. None of them
is in the simulated shots that measure a model; they are there so that a model
trained on simulations alone works on measured data.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings
from specklenn.core.simulation.ranges import Range
from specklenn.core.training.augment import (
    Augmentation,
    add_noise,
    normalise,
    random_patches,
    warp,
)
from specklenn.core.training.detector_faults import (
    REACH,
    WANDERING,
    apply_faults,
    draw_faults,
)
from specklenn.core.training.draws import uniform

GAIN_CHANCE = 0.15
ROW_CHANCE = 0.15
HOT_CHANCE = 0.25
STRAY_CHANCE = 0.25
MOST_HOT_PIXELS = 6

GAMMA_SHAPE = 2.5
FOCUS_OCTAVES = 6
"""Largest factor, in powers of two, between particles in the focus and at its rim."""

SAME_ZOOM = 0.01
"""Patterns of one episode differ by this in their zoom."""


class EpisodeConditions(Settings):
    """How the patterns of one dataset are shown.

    Parameters
    ----------
    share : float
        Of the episodes, in units of the other datasets' shares.
    fluence : (lowest, highest)
        Factor on the patterns, drawn evenly in its logarithm for each episode.
    photons : (fewest, most) or None
        Instead: mean photons of the sample's first class, drawn in the same way.
    jitter : {"gamma", "focus"}
        Fluence from shot to shot: a gamma distribution of mean 1, or that of
        particles anywhere in a Gaussian focus.
    zoom : (smallest, largest)
        Of the patterns of an episode.
    artefacts : bool
        Whether episodes also have what detectors and beamlines add: stray light, rows
        or columns that are off, hot pixels, an unknown gain.
    clean : float
        Share of the episodes that are counted photons and nothing else: no background,
        no read noise, no artefacts.
    faults : float
        Share of the episodes, clean ones among them, that then also get faults that no
        mask and no calibration tells, see `specklenn.core.training.detector_faults`.
    """

    share: float = Field(default=1.0, gt=0)
    fluence: Range = (0.03, 30.0)
    photons: Range | None = None
    jitter: Literal["gamma", "focus"] = "gamma"
    zoom: Range = (0.95, 1.05)
    artefacts: bool = True
    clean: float = Field(default=0.0, ge=0, le=1)
    faults: float = Field(default=0.0, ge=0, le=1)


def apply_conditions(
    patterns: Tensor,
    first_class_photons: Tensor,
    preprocess: Preprocessing,
    settings: EpisodeConditions,
    read_noise: float,
    generator: torch.Generator,
) -> Tensor:
    """Make the network's inputs of the patterns of one episode.

    Parameters
    ----------
    patterns : (B, H, W) float32, expected photons per pixel
        As many as the network's input or more.
    first_class_photons : (B,) float32
        Mean photons of the first class of each pattern's sample.
    preprocess : Preprocessing
        Side of the network's input and how photons become values.
    settings : EpisodeConditions
    read_noise : float, photons per pixel
        The most likely one; others are drawn as well.
    generator : torch.Generator

    Returns
    -------
    (B, 1, side, side) float32
    """
    faulty = settings.faults > 0 and uniform(0, 1, generator) < settings.faults
    faults = draw_faults(generator) if faulty else set()
    side = preprocess.input_side + (2 * REACH if WANDERING in faults else 0)
    low, high = settings.zoom
    zoom = uniform(low, high, generator)
    turn = Augmentation(
        zoom=(zoom * (1 - SAME_ZOOM), zoom * (1 + SAME_ZOOM)), shift_pixels=0.7
    )
    moved = warp(patterns[:, None], side, turn, generator)[:, 0]
    fluence = _fluence(first_class_photons, settings, generator)
    expected = moved * fluence[:, None, None]
    if settings.clean > 0 and uniform(0, 1, generator) < settings.clean:
        photons = _exposed(expected, 0.0, generator)
    else:
        photons = _measured(expected, settings, read_noise, generator)
    bad = random_mask(side, generator)
    photons, bad = apply_faults(photons, bad, faults, generator)
    return normalise(photons, bad.expand_as(photons), preprocess)


def _measured(
    expected: Tensor,
    settings: EpisodeConditions,
    read_noise: float,
    generator: torch.Generator,
) -> Tensor:
    """Expose patterns as a beamline with all its faults would, (B, side, side)."""
    if uniform(0, 1, generator) < 0.5:
        expected = expected + 10 ** uniform(-3.5, -0.5, generator)
    if settings.artefacts:
        side = expected.shape[-1]
        expected = expected + stray_light(len(expected), side, generator)
    photons = _exposed(expected, _read_noise(read_noise, generator), generator)
    return electronics(photons, generator) if settings.artefacts else photons


def _exposed(expected: Tensor, read_noise: float, generator: torch.Generator) -> Tensor:
    """Draw the photons of patterns that have their fluence already, (B, side, side)."""
    return add_noise(expected, torch.ones(len(expected)), read_noise, generator)


def random_mask(side: int, generator: torch.Generator) -> Tensor:
    """Draw the bad pixels of a detector, (side, side) bool, True where bad.

    A gap, a round hole or a rectangular beam stop in the middle; now and then three
    quarters or half of the detector, and rectangles anywhere.
    """
    bad = torch.zeros(side, side, dtype=torch.bool)
    middle = (side + uniform(-2, 2, generator)) / 2
    axis = torch.arange(side) + 0.5 - middle
    rows, columns = axis[:, None], axis[None, :]
    if uniform(0, 1, generator) < 0.6:
        gap = (axis.abs() < uniform(0.5, 2.5, generator)).expand(side, side)
        bad |= gap if uniform(0, 1, generator) < 0.5 else gap.T
    kind = uniform(0, 1, generator)
    if kind < 0.35:
        bad |= (rows**2 + columns**2).sqrt() < uniform(1.0, 4.0, generator)
    elif kind < 0.7:
        high, wide = uniform(0.6, 2.6, generator), uniform(0.6, 2.6, generator)
        bad |= (rows.abs() < high) & (columns.abs() < wide)
    if uniform(0, 1, generator) < 0.08:
        bad |= _part_missing(side, generator)
    if uniform(0, 1, generator) < 0.25:
        bad |= random_patches(1, side, Augmentation(), generator)[0]
    return bad


def _part_missing(side: int, generator: torch.Generator) -> Tensor:
    """Return half or three quarters of the pixels, (side, side) bool."""
    seen = torch.zeros(side, side, dtype=torch.bool)
    rows = side // 2 if uniform(0, 1, generator) < 0.7 else side
    seen[:rows, : side // 2] = True
    return ~seen.rot90(int(torch.randint(4, (), generator=generator)))


def _fluence(
    first_class_photons: Tensor, settings: EpisodeConditions, generator: torch.Generator
) -> Tensor:
    """Draw the factor on every pattern of an episode, (B,) float32."""
    low, high = settings.photons or settings.fluence
    base = math.exp(uniform(math.log(low), math.log(high), generator))
    number = len(first_class_photons)
    if settings.jitter == "gamma":
        rates = torch.full((number,), GAMMA_SHAPE)
        jitter = torch._standard_gamma(rates, generator=generator) / GAMMA_SHAPE
        jitter = jitter.clamp(0.1, 4.0)
    else:
        # exp(-4 ln 2 r^2) of positions even over a disc around the focus.
        octaves = uniform(0, FOCUS_OCTAVES, generator)
        jitter = torch.exp2(-octaves * torch.rand(number, generator=generator))
    if settings.photons is None:
        return base * jitter
    return base * jitter / first_class_photons.clamp_min(1e-6)


def _read_noise(usual: float, generator: torch.Generator) -> float:
    """Draw the read noise of an episode: none, the usual one, or anything."""
    kind = uniform(0, 3, generator)
    if kind < 1:
        return 0.0
    return usual if kind < 2 else 10 ** uniform(-1.0, 0.2, generator)


def stray_light(number: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw light scattered around the beam: an elliptical glow of varying strength.

    Parameters
    ----------
    number : int
        Patterns of the episode; the glow has one shape and another strength in each.
    side : int
        Of the patterns, pixels.
    generator : torch.Generator

    Returns
    -------
    (number, side, side) float32, expected photons per pixel
        All zero in most episodes.
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
    """Add what a detector's electronics do to the patterns of an episode.

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
    pixels = torch.randint(side * side, (few,), generator=generator)
    bright = 10 ** (2.5 * torch.rand(number, few, generator=generator))
    added = torch.zeros(number, side * side).index_add_(1, pixels, bright)
    return photons + added.reshape(photons.shape)
