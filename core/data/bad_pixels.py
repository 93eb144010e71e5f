"""Finds single pixels that tell nothing, where no mask says so: gaps, stuck pixels.

What some shots, spread over a run, show of a pixel:

- **never finite** in any of them;
- **the largest value of the data type** in all of them, as gaps are often marked;
- **the same value, half a photon or more from zero,** in all of them: gaps marked by
  -1, stuck and saturated pixels;
- **zero in all of them amid light**: of the 24 pixels around it in its module, at least
  `LIT_AROUND` have seen `PHOTONS_AROUND` photons or more.

Zero alone proves nothing: a photon counter reads it wherever no photon came, and the
darkest pixel of a fringe may, so the last rule asks for a lot of light. The last two
rules need `FEWEST_DISTINCT` shots that differ, since a frame that is repeated is
constant everywhere, and find nothing where half of the pixels or more are constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.dead_area import STUCK_PHOTONS, Signals
from specklenn.core.data.detector_area import Mask
from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.errors import DataError

Calibrate = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]

MOST_SHOTS, FEWEST_SHOTS = 64, 16
"""Looked at before the start."""

MOST_BYTES = 256_000_000
"""Read for it, if the fewest shots are not more."""

FEWEST_DISTINCT = 16
"""Fewest shots, each unlike all others, by which a constant pixel is known."""

MOST_CONSTANT = 0.5
"""Share of the pixels above which constant ones are no fault of the pixels."""

AROUND = 2
"""Pixels on each side whose light is looked at."""

LIT_AROUND = 10
"""Fewest pixels around one without light that must have seen some: a gap's rim has."""

PHOTONS_AROUND = 1000.0
"""Photons that each of them must have seen, in all shots together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BadPixels:
    """Pixels that tell nothing.

    Parameters
    ----------
    mask : (H, W) bool
        True where bad.
    words : tuple of str
        A sentence, if there are any.
    """

    mask: Mask
    words: tuple[str, ...]


def find_bad_pixels(signals: Signals, bad: Mask, modules: int = 1) -> BadPixels:
    """Find the pixels that tell nothing; see the rules above.

    Parameters
    ----------
    signals : Signals
    bad : (H, W) bool
        Pixels that are left out already.
    modules : int
        How many of H / modules rows lie on top of each other in a frame.
    """
    used = ~bad
    rules = {
        "never give a finite value": signals.never_finite,
        "always give the largest value of their type": signals.always_largest,
    }
    if signals.distinct >= FEWEST_DISTINCT:
        constant = signals.constant & (np.abs(signals.highest) >= STUCK_PHOTONS)
        if (constant & used).sum() < MOST_CONSTANT * used.sum():
            rules["always give the same value"] = constant
        rules["are always 0 amid light"] = _dark_amid_light(signals, used, modules)
    found, parts = np.zeros(bad.shape, bool), []
    for what, pixels in rules.items():
        new = pixels & used & ~found
        if new.any() and not (new | found | bad).all():
            found |= new
            parts.append(f"{new.sum()} pixels {what}")
    return BadPixels(mask=found, words=_sentence(parts, signals.shots))


def look_for_bad(
    file: LabelledDataset, bad: Mask, calibrate: Calibrate | None = None
) -> BadPixels:
    """Look at shots of a file for pixels that tell nothing, but the bad ones (H, W).

    Parameters
    ----------
    file : LabelledDataset
    bad : (H, W) bool
    calibrate : function, optional
        Gives photons, float32, of frames; by default they are photons already.
    """
    signals = Signals(file.shape)
    frame_bytes = bad.size * file.dtype.itemsize
    for shot in spread_shots(len(file), frame_bytes):
        try:
            raw, own = file.frames([shot]), file.bad_in([shot])
        except DataError:  # said where it is needed
            continue
        photons = raw.astype(np.float32) if calibrate is None else calibrate(raw)
        if own is not None:
            photons[own] = np.nan
        signals.add(photons[0], raw[0])
    return find_bad_pixels(signals, bad, file.modules)


def spread_shots(number: int, frame_bytes: int) -> list[int]:
    """Return which shots of a run are looked at before its start, from all over it."""
    affordable = max(FEWEST_SHOTS, MOST_BYTES // max(frame_bytes, 1))
    chosen = min(MOST_SHOTS, affordable, number)
    spread = np.linspace(0, number - 1, chosen).astype(np.int64)
    return [int(shot) for shot in spread]


def _dark_amid_light(signals: Signals, used: Mask, modules: int) -> Mask:
    """Return pixels without any light whose neighbours have seen a lot, (H, W)."""
    zero = signals.constant & (np.abs(signals.highest) < STUCK_PHOTONS)
    lit = signals.changed & used & (signals.total >= PHOTONS_AROUND)
    lit = lit.reshape(modules, -1, zero.shape[1])
    edges = ((0, 0), (AROUND, AROUND), (AROUND, AROUND))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(lit, edges), (2 * AROUND + 1, 2 * AROUND + 1), axis=(1, 2)
    )
    around: npt.NDArray[np.int64] = windows.sum(axis=(3, 4)).reshape(zero.shape)
    return zero & (around >= LIT_AROUND)


def _sentence(parts: list[str], shots: int) -> tuple[str, ...]:
    if not parts:
        return ()
    return (f"{', '.join(parts)} ({shots} shots looked at); they are left out",)
