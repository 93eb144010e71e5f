"""What happens to frames in experiments and does not in simulations.

Every function takes the frames of some shots, the detector and a random number
generator for each shot; it returns other frames and leaves the given ones as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from specklenn.core.data.masks import Mask

Frames = npt.NDArray[np.float32]
"""(B, H, W) float32, photons per pixel."""

Frame = npt.NDArray[np.float32]
"""(H, W) float32, photons per pixel."""

Value = TypeVar("Value", bound=np.generic)

Steps = npt.NDArray[np.int64]
"""Rows and columns, (2,) int64."""

WANDERING_PIXELS = 6
"""From the middle, in every shot."""

GAP_FIRST_ROW, GAP_ROWS = 2, 8
"""Where the gap begins, counted from the middle, and how wide it is."""

OFFSET_PHOTONS = 0.4
GAIN = 0.3
BACKGROUND_PHOTONS = 0.3
COMMON_MODE_PHOTONS = 0.5
"""Per pixel; the last one is a standard deviation."""

FLAT = 1e-6
"""Smallest standard deviation to divide by, photons."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What a disturbance must know of the detector.

    Parameters
    ----------
    bad : (H, W) bool
        True where a pixel is masked.
    window : (slice, slice)
        Rows and columns that the network sees; its middle is where the beam should be.
    """

    bad: Mask
    window: tuple[slice, slice]


FrameDisturbance = Callable[[Frames, Detector, Sequence[np.random.Generator]], Frames]


def move_frames(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Move every frame by `WANDERING_PIXELS` in a random direction.

    The dark shadow of stop and gaps moves, too, out from behind the mask.
    """
    moved = [
        _moved(frame, _random_steps(random))
        for frame, random in zip(frames, randoms, strict=True)
    ]
    return np.stack(moved)


def move_light(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Move the light by `WANDERING_PIXELS` in a random direction, the shadow not.

    What comes out from behind the mask reads as the nearest good pixel does.
    """
    rows, columns = _nearest_good(detector.bad, 2 * WANDERING_PIXELS)
    return move_frames(frames[:, rows, columns], detector, randoms)


def darken_gap(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Set `GAP_ROWS` rows beside the beam to zero; no mask tells."""
    first = _middle(detector.window[0]) + GAP_FIRST_ROW
    darkened = frames.copy()
    darkened[:, first : first + GAP_ROWS] = 0
    return darkened


def cut_at_mean(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Cut every frame off below its mean and one standard deviation above it.

    That is clip((x - mean) / deviation, 0, 1), as patterns are drawn in publications.
    """
    good = ~detector.bad[detector.window]
    return np.stack([_cut(frame, frame[detector.window][good]) for frame in frames])


def add_offset(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Add `OFFSET_PHOTONS` to every pixel: a pedestal that was not subtracted."""
    return frames + np.float32(OFFSET_PHOTONS)


def change_gain(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Multiply all pixels by `GAIN`: a calibration that is wrong."""
    return frames * np.float32(GAIN)


def add_background(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Add photons everywhere, Poisson with mean `BACKGROUND_PHOTONS` per pixel."""
    shape = detector.bad.shape
    photons = [random.poisson(BACKGROUND_PHOTONS, shape) for random in randoms]
    return frames + np.array(photons, np.float32)


def add_common_mode(
    frames: Frames, detector: Detector, randoms: Sequence[np.random.Generator]
) -> Frames:
    """Add a number to every row of every shot, normal, `COMMON_MODE_PHOTONS` wide.

    Pixels that are read out together share such a shift of their zero.
    """
    shape = (len(detector.bad), 1)
    shifts = [random.normal(0, COMMON_MODE_PHOTONS, shape) for random in randoms]
    return frames + np.array(shifts, np.float32)


def _random_steps(random: np.random.Generator) -> Steps:
    """Draw a vector `WANDERING_PIXELS` long, to whole pixels."""
    angle = random.uniform(0, 2 * np.pi)
    vector = WANDERING_PIXELS * np.array([np.sin(angle), np.cos(angle)])
    return np.asarray(np.rint(vector), np.int64)


def _moved(frame: npt.NDArray[Value], steps: Steps) -> npt.NDArray[Value]:
    """Move a frame (H, W) down and to the right; its edge goes on beyond it."""
    rows, columns = (
        np.clip(np.arange(length) - step, 0, length - 1)
        for length, step in zip(frame.shape, steps, strict=True)
    )
    return frame[np.ix_(rows, columns)]


def _nearest_good(
    bad: Mask, reach: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row and column (H, W) of a good pixel close to each, itself if good.

    Pixels that are more than ``reach`` steps away from any good one keep their own.
    """
    nearest = np.arange(bad.size).reshape(bad.shape)
    known = ~bad
    for _ in range(reach):
        before, reached = nearest.copy(), known.copy()
        for steps in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            new = ~known & _moved(reached, np.array(steps))
            nearest[new] = _moved(before, np.array(steps))[new]
            known |= new
    rows, columns = np.unravel_index(nearest, bad.shape)
    return rows, columns


def _middle(pixels: slice) -> int:
    return int(pixels.start + pixels.stop) // 2


def _cut(frame: Frame, seen: Frame) -> Frame:
    """Cut a frame off by mean and deviation of the pixels that are seen."""
    finite = seen[np.isfinite(seen)].astype(np.float64)
    if finite.size == 0:
        return frame
    deviation = max(float(finite.std()), FLAT)
    cut = np.clip((frame.astype(np.float64) - finite.mean()) / deviation, 0, 1)
    return np.asarray(cut, np.float32)
