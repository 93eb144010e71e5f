"""Finds modules, and parts of them, that give no signal.

A photon-counting detector reads zero wherever no photon came, so a pixel that never
changes is not dead yet. The rule, for a region of at least `FEWEST_PIXELS` pixels
over some shots:

- **broken**: no pixel is ever finite, or all of them always read the same value, half a
  photon or more away from zero, as saturated pixels do. No light is needed to see that.
- **silent**: light is needed. Only pixels at such distances from the beam count at
  which more than half of the detector's other pixels have changed; the region is
  silent if there are at least `FEWEST_PIXELS` of them and at most one in twenty
  changed. Where the rest of the detector is dark as well, at that distance, nothing
  is said, so an empty run and the dark rim of a bright pattern lose nothing, nor does
  a streak on a few pixels condemn the others.

Modules are tested first, then tiles of an eighth of a module's sides in what is left.
Dead parts are found only if more than half of the detector works.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.detector_area import Mask

FEWEST_PIXELS = 50
"""Fewest pixels in a region that is tested."""

TILES = 8
"""Tiles along a side of a module."""

SMALLEST_TILE = 8
"""Pixels along its side."""

RING_PIXELS = 4
"""Width of the rings around the beam in which pixels are compared."""

MOST = 0.5
"""Share of the other pixels of a ring that must have changed."""

STRAY = 0.05
"""Share of a silent region's pixels that may change nonetheless."""

STUCK_PHOTONS = 0.5

Numbers = npt.NDArray[np.int64]


class Signals:
    """What the pixels have shown so far.

    Parameters
    ----------
    shape : (H, W)

    Attributes
    ----------
    shots : int
        How many there were.
    total : (H, W) float32
        Photons of all of them.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shots = 0
        self.total = np.zeros(shape, np.float32)
        self._lowest = np.full(shape, np.inf, np.float32)
        self._highest = np.full(shape, -np.inf, np.float32)
        self._always_largest = np.ones(shape, bool)
        self._frames: set[bytes] = set()

    def add(
        self,
        photons: npt.NDArray[np.float32],
        raw: npt.NDArray[Any] | None = None,
    ) -> None:
        """Look at one more frame.

        Parameters
        ----------
        photons : (H, W) float32, photons per pixel
            NaN where a mask of this shot alone says so.
        raw : (H, W) array, optional
            The frame as the detector gives it.
        """
        self.shots += 1
        finite = np.isfinite(photons)
        np.minimum(self._lowest, photons, out=self._lowest, where=finite)
        np.maximum(self._highest, photons, out=self._highest, where=finite)
        np.add(self.total, photons, out=self.total, where=finite)
        self._frames.add(hashlib.sha256(photons.tobytes()).digest())
        if raw is not None and raw.dtype.kind in "ui":
            self._always_largest &= ~finite | (raw == np.iinfo(raw.dtype).max)
        else:
            self._always_largest[:] = False

    @property
    def distinct(self) -> int:
        """How many of the shots differ from each other."""
        return len(self._frames)

    @property
    def highest(self) -> npt.NDArray[np.float32]:
        """The highest finite value of each pixel, (H, W); -inf where there is none."""
        return self._highest

    @property
    def constant(self) -> Mask:
        """Which pixels have had one finite value, again and again, (H, W)."""
        constant: Mask = self._highest == self._lowest
        return constant

    @property
    def always_largest(self) -> Mask:
        """Which pixels have always had the largest value of an integer type, (H, W)."""
        return self._always_largest & ~self.never_finite

    @property
    def changed(self) -> Mask:
        """Which pixels have had two finite values, (H, W)."""
        return self._highest > self._lowest

    @property
    def never_finite(self) -> Mask:
        """Which pixels have had no finite value, (H, W)."""
        return self._highest < self._lowest

    def same(self, tested: Mask, regions: Numbers) -> Mask:
        """Return which pixels always read what one of their region does, (H, W).

        Not where that is less than half a photon away from zero.
        """
        level = np.zeros(int(regions.max()) + 1, np.float32)
        level[regions[tested]] = self._highest[tested]
        level[np.abs(level) < STUCK_PHOTONS] = np.nan
        there = level[regions]
        same: Mask = (self._lowest == there) & (self._highest == there)
        return same


@dataclass(frozen=True, kw_only=True, eq=False)
class DeadArea:
    """What gives no signal.

    Parameters
    ----------
    mask : (H, W) bool
        True where dead.
    words : tuple of str
        A sentence for each module concerned.
    """

    mask: Mask
    words: tuple[str, ...]


def find_dead(
    signals: Signals,
    bad: Mask,
    modules: int = 1,
    centre: tuple[float, float] | None = None,
) -> DeadArea:
    """Find the regions that give no signal; see the rule above.

    Parameters
    ----------
    signals : Signals
    bad : (H, W) bool
        Pixels that are left out already.
    modules : int
        How many of H / modules rows lie on top of each other in a frame.
    centre : (row, column) or None
        Beam position, pixels; the middle of the frame by default.
    """
    rings = _rings(bad.shape, centre)
    dead = np.zeros(bad.shape, bool)
    for across in (1, TILES):
        regions = _regions(bad.shape, modules, across)
        dead |= _dead_regions(signals, ~(bad | dead), regions, rings)
    return DeadArea(mask=dead, words=tuple(_sentences(dead, modules, signals.shots)))


def _regions(shape: tuple[int, ...], modules: int, across: int) -> Numbers:
    """Return the number of each pixel's tile, (H, W), `across` along a side."""
    height, width = shape[0] // modules, shape[1]
    rows, columns = (
        np.arange(length) // max(math.ceil(length / across), SMALLEST_TILE)
        for length in (height, width)
    )
    wide = int(columns[-1]) + 1
    tiles = rows[:, None] * wide + columns[None, :]
    number = wide * (int(rows[-1]) + 1)
    stacked = np.arange(modules)[:, None, None] * number + tiles
    return stacked.reshape(shape)


def _rings(shape: tuple[int, ...], centre: tuple[float, float] | None) -> Numbers:
    """Return the number of each pixel's ring around the beam, (H, W)."""
    row, column = centre or (shape[0] / 2, shape[1] / 2)
    down = np.arange(shape[0]) + 0.5 - row
    across = np.arange(shape[1]) + 0.5 - column
    distance = np.hypot(down[:, None], across[None, :])
    rings: Numbers = (distance / RING_PIXELS).astype(np.int64)
    return rings


def _dead_regions(
    signals: Signals, tested: Mask, regions: Numbers, rings: Numbers
) -> Mask:
    """Return the pixels of broken and of silent regions, (H, W)."""
    size = (int(regions.max()) + 1, int(rings.max()) + 1)

    def count(pixels: Mask) -> Numbers:
        """Return how many there are in every region and ring."""
        places = regions[pixels] * size[1] + rings[pixels]
        return np.bincount(places, minlength=size[0] * size[1]).reshape(size)

    pixels = count(tested)
    stuck = (signals.never_finite, signals.same(tested, regions))
    broken = _broken(pixels, [count(tested & each) for each in stuck])
    pixels[broken] = 0
    changed = count(tested & signals.changed)
    return (broken | _silent(pixels, changed))[regions] & tested


def _broken(pixels: Numbers, stuck: Sequence[Numbers]) -> Mask:
    """Return which regions are stuck as a whole, unless all are, (regions,)."""
    number = pixels.sum(axis=1)
    whole = np.any([each.sum(axis=1) == number for each in stuck], axis=0)
    broken: Mask = whole & (number >= FEWEST_PIXELS)
    others_live = bool((number[~broken] > 0).any())
    return broken & others_live


def _silent(pixels: Numbers, changed: Numbers) -> Mask:
    """Return which regions do not change where others do, (regions,)."""
    others = pixels.sum(axis=0) - pixels
    others_changed = changed.sum(axis=0) - changed
    lit = others_changed > MOST * others
    number = (pixels * lit).sum(axis=1)
    found: Mask = (number >= FEWEST_PIXELS) & (
        (changed * lit).sum(axis=1) <= STRAY * number
    )
    return found


def _sentences(dead: Mask, modules: int, shots: int) -> list[str]:
    found = []
    for number, module in enumerate(dead.reshape(modules, -1, dead.shape[1])):
        rows = np.flatnonzero(module.any(axis=1))
        columns = np.flatnonzero(module.any(axis=0))
        if len(rows):
            name = f"module {number}" if modules > 1 else "the detector"
            found.append(
                f"{name} gives no signal on {module.sum()} pixels, between rows "
                f"{rows[0]} and {rows[-1]}, columns {columns[0]} and {columns[-1]} "
                f"({shots} shots looked at); they are left out"
            )
    return found
