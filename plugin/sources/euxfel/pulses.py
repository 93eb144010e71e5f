"""Trains of pulses: which pulses of a train are shots, where they lie, when they came.

The European XFEL delivers ten trains a second of up to some thousand pulses. A detector
gives one array per train, whose axes lie differently for every detector and on every
way to us. `bridge_train` makes shots of a live train, `extra_data` of a recorded one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from specklenn.core.data.sources import SourceSettings
from specklenn.plugin.sources.euxfel.assembly import Geometry

AXES = ("pulses", "modules", "gain", "ss", "fs")
"""What an axis can be; of the gain axis of raw data the first entry is taken."""

USUAL_AXES = {2: "ss fs", 3: "pulses ss fs", 4: "pulses modules ss fs"}
"""Axes of a train's array by their number, where the settings do not say."""

BUNCH_SPACING_ns = 1e9 / 4.513889e6
"""Between two bunches of the accelerator, which pulse ids count."""

MOST_NAMES = 12
"""Sources, keys or modules that a message names."""

SLICE = re.compile(r"^\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(\d+)?\s*)?$")


class TrainSettings(SourceSettings):
    """What live and recorded trains have in common.

    Parameters
    ----------
    key : str
        Pixels in the data of a source.
    axes : str or None
        Axes of a train's array in their order, of ``pulses``, ``modules``, ``gain``,
        ``ss`` and ``fs`` (slow and fast scan: rows and columns of a module). By default
        ``ss fs``, ``pulses ss fs`` or ``pulses modules ss fs``, by their number.
    pulses : str or list of int
        Which pulses of a train are shots, by position: a slice as ``"1:-1:2"``, or
        rising numbers. A numbered pulse that a train does not have is a skipped shot.
    only_modules : list of int or None
        Rising numbers of the modules that are used; all by default.
    mask_key : str or None
        Bad pixels of every pulse beside `key`, 0 = good: each pulse is masked by its
        own, and they become 0 in frames that are saved.
    geometry : Geometry or None
        Modules are put where they are in space; by default they are stacked from top to
        bottom.
    pulse_spacing_ns : float
        Between two pulses of a train, or two pulse ids.
    pulse_id_key : str or None
        Ids of the pulses beside `key`, for their times; by default they are counted.
    """

    key: str = "image.data"
    axes: str | None = None
    pulses: str | list[int] = ":"
    only_modules: list[int] | None = None
    mask_key: str | None = None
    geometry: Geometry | None = None
    pulse_spacing_ns: float = Field(default=BUNCH_SPACING_ns, gt=0, le=1e8)
    pulse_id_key: str | None = None

    @field_validator("axes")
    @classmethod
    def _known_axes(cls, value: str | None) -> str | None:
        if value is None:
            return value
        names = value.split()
        unknown, twice = set(names) - set(AXES), len(set(names)) < len(names)
        if unknown or twice or not {"ss", "fs"} <= set(names):
            raise ValueError(f"ss, fs and any of {', '.join(AXES[:3])}, each once")
        return value

    @field_validator("pulses")
    @classmethod
    def _usable_pulses(cls, value: str | list[int]) -> str | list[int]:
        if isinstance(value, list):
            return _rising(value)
        found = SLICE.match(value)
        if not found or (found[3] and int(found[3]) == 0):
            raise ValueError('a slice as "0:64:2", or a list of rising numbers')
        return value

    @field_validator("only_modules")
    @classmethod
    def _usable_modules(cls, value: list[int] | None) -> list[int] | None:
        return None if value is None else _rising(value)


def _rising(numbers: list[int]) -> list[int]:
    if not numbers or numbers[0] < 0 or sorted(set(numbers)) != numbers:
        raise ValueError("rising numbers from 0, at least one")
    return numbers


def chosen_pulses(pulses: str | list[int], number: int) -> npt.NDArray[np.int64]:
    """Return the positions of the pulses that are shots in a train of `number` pulses.

    Parameters
    ----------
    pulses : str or list of int
        As `TrainSettings.pulses`; numbers behind the train's end are returned too.
    """
    if isinstance(pulses, str):
        found = SLICE.match(pulses)
        assert found is not None
        parts = [None if part is None else int(part) for part in found.groups()]
        return np.arange(number, dtype=np.int64)[slice(*parts)]
    return np.array(pulses, np.int64)


def arranged(train: npt.NDArray[Any], axes: str | None = None) -> npt.NDArray[Any]:
    """Return a train's array as (pulses, modules, rows, columns), without copying.

    Parameters
    ----------
    axes : str or None
        As `TrainSettings.axes`.

    Raises
    ------
    ValueError
        If it has another number of axes.
    """
    if axes is None and train.ndim not in USUAL_AXES:
        raise ValueError(f"array of shape {train.shape}, 2 to 4 axes expected")
    names = (axes or USUAL_AXES[train.ndim]).split()
    if len(names) != train.ndim:
        raise ValueError(
            f"array of shape {train.shape}, the axes {' '.join(names)} expected"
        )
    if "gain" in names:
        train = np.moveaxis(train, names.index("gain"), 0)[0]
        names.remove("gain")
    wanted = [name for name in AXES if name in names]
    ordered = train.transpose([names.index(name) for name in wanted])
    places = [slice(None) if name in names else None for name in AXES if name != "gain"]
    return ordered[tuple(places)]


def listed(names: Sequence[Any]) -> str:
    """Return some names for a message."""
    more = ", ..." if len(names) > MOST_NAMES else ""
    return (", ".join(map(str, names[:MOST_NAMES])) or "none") + more


class Pulses(NamedTuple):
    """Frames of some pulses and their masks.

    Parameters
    ----------
    frames : (P, modules, rows, columns) array
        0 where bad.
    bad : (P, modules, rows, columns) bool or None
        True where a pixel of a pulse is bad; None without a mask.
    """

    frames: npt.NDArray[Any]
    bad: npt.NDArray[np.bool_] | None

    def part(self, chosen: npt.NDArray[np.int64]) -> Pulses:
        """Return some of the pulses."""
        bad = None if self.bad is None else self.bad[chosen]
        return Pulses(self.frames[chosen], bad)


def masked(frames: npt.NDArray[Any], mask: npt.NDArray[Any] | None) -> Pulses:
    """Return frames with the mask of their pulses, 0 = good, any bit = bad."""
    if mask is None:
        return Pulses(frames, None)
    bad = mask != 0
    return Pulses(np.where(bad, frames.dtype.type(0), frames), bad)


def pulse_times_ns(
    train_ns: int, numbers: npt.NDArray[Any], spacing_ns: float
) -> npt.NDArray[np.uint64]:
    """Return when the pulses of a train came.

    Parameters
    ----------
    train_ns : int
        Time of the train, Unix epoch, nanoseconds; if 0, unknown, all times are 0.
    numbers : (P,) int
        Positions or ids of the pulses.
    """
    if train_ns == 0:
        return np.zeros(len(numbers), np.uint64)
    offsets = np.rint(np.asarray(numbers, np.float64) * spacing_ns)
    return np.uint64(train_ns) + offsets.astype(np.uint64)
