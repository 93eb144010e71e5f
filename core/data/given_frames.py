"""Frames that somebody hands over in Python, as one stack of known shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.frames import Frames, as_picture, as_pictures
from specklenn.core.data.shots import Shot, check_real, gather
from specklenn.core.errors import ConfigError, DataError

Given = npt.ArrayLike | Sequence[npt.ArrayLike | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenFrames:
    """A stack of frames.

    Parameters
    ----------
    frames : (B, H, W) array
        0 where there is none of this shape.
    flags : (B,) uint16
        Which frames of a list are missing or have another shape, see `Flag`.
    """

    frames: Frames
    flags: npt.NDArray[np.uint16]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])


def stack_frames(given: Given, shape: tuple[int, int] | None = None) -> GivenFrames:
    """Return frames, however they were handed over, as one stack.

    Parameters
    ----------
    given : array or sequence
        (N, H, W); one frame (H, W); modules that stack to it, (N, modules, h, W) or
        (modules, h, W); or a list of frames, in which None stands for a missing one.
    shape : (H, W), optional
        What the frames must have; any by default, then modules come with their N.

    Raises
    ------
    ConfigError
        If no frame has the shape, or they are no real numbers.
    """
    try:
        if isinstance(given, (list, tuple)) and not _is_one_frame(given):
            return _of_list([_array(frame) for frame in given], shape)
        array = _array(given)
        assert array is not None
        check_real(array.dtype, "patterns")
    except DataError as error:
        raise ConfigError(f"{error}: photons per pixel") from error
    frames = _as_stack(array, shape)
    if frames is None:
        raise ConfigError(_expected(f"patterns of shape {array.shape}", shape))
    return GivenFrames(frames=frames, flags=np.zeros(len(frames), np.uint16))


def _array(given: Any) -> npt.NDArray[Any] | None:
    if given is None:
        return None
    if isinstance(given, np.ma.MaskedArray):
        raise ConfigError(
            "a masked array of patterns found, a plain array expected; the mask goes "
            "to the classifier, Classifier.load(..., mask=...)"
        )
    return np.asarray(given)


def _is_one_frame(given: Sequence[Any]) -> bool:
    """Whether a list holds the rows of one frame, in numbers."""
    return len(given) > 0 and all(
        each is not None and np.ndim(each) <= 1 for each in given
    )


def _as_stack(array: npt.NDArray[Any], shape: tuple[int, int] | None) -> Frames | None:
    """Return an array as frames (N, H, W), None where it does not fit."""
    if array.ndim == 2:
        found = array[None]
    elif array.ndim == 4:
        found = as_pictures(array)
    elif array.ndim == 3 and shape is not None and array.shape[1:] != shape:
        found = as_picture(array)[None]  # modules of one frame
    else:
        found = array
    fits = found.ndim == 3 and shape in (None, found.shape[1:])
    return found if fits else None


def _of_list(
    frames: Sequence[npt.NDArray[Any] | None], shape: tuple[int, int] | None
) -> GivenFrames:
    pictures = [
        as_picture(frame) if frame is not None and frame.ndim == 3 else frame
        for frame in frames
    ]
    found = [each.shape for each in pictures if each is not None]
    wanted = shape or (found[0] if found else (0, 0))
    if found and wanted not in found:
        raise ConfigError(_expected(f"a list of patterns of shape {found[0]}", shape))
    if len(wanted) != 2:
        raise ConfigError(_expected(f"a list of patterns of shape {wanted}", shape))
    shots = gather(
        [Shot(index=i, timestamp_ns=0, frame=each) for i, each in enumerate(pictures)],
        (wanted[0], wanted[1]),
    )
    return GivenFrames(frames=shots.frames, flags=shots.flags)


def _expected(found: str, shape: tuple[int, int] | None) -> str:
    """Say in one sentence what was found, and all that would do."""
    if shape is None:
        return (
            f"{found} found; (N, H, W), (N, modules, H, W), one frame (H, W) or a list "
            "of frames expected, in photons per pixel"
        )
    return (
        f"{found} found; (N, {shape[0]}, {shape[1]}) like the supports expected, one "
        f"frame {shape}, a list of such frames, or modules (N, modules, H, W) that "
        "stack to it, in photons per pixel"
    )
