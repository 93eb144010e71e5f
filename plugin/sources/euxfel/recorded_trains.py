"""What a detector's recorded trains look like, and how they are found in a run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.plugin.sources.euxfel.pulses import Pulses, TrainSettings, listed


class RecordedTrains(Protocol):
    """Trains of a detector that have data.

    Attributes
    ----------
    train_ids : (T,) uint64
    pulses : (T,) int64
        Pulses in each train.
    whole : (T,) bool
        Whether every module has data.
    frame_shape : (modules, rows, columns)
    dtype : numpy.dtype
    positions : list of int or None
        Where the modules belong in the detector; None for all of them in their order.
    """

    train_ids: npt.NDArray[np.uint64]
    pulses: npt.NDArray[np.int64]
    whole: npt.NDArray[np.bool_]
    frame_shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    positions: list[int] | None

    def expect(self, first: int, stop: int) -> None:
        """Note that trains number first to stop - 1 will be read next."""

    def read(self, train: int, chosen: npt.NDArray[np.int64]) -> Pulses:
        """Return pulses of a train.

        Parameters
        ----------
        train : int
            Number of the train among those with data.
        chosen : (P,) int64
            Rising positions of pulses that the train has.
        """

    def numbers(self, train: int) -> npt.NDArray[Any]:
        """Return the number that each pulse of a train has in time, (pulses,) int."""

    def bad(self) -> npt.NDArray[np.bool_] | None:
        """Return the pixels (modules, rows, columns) that the mask always calls bad.

        As far as the first train with all modules says; None without a mask.
        """

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only, (modules,) bool; others are 0."""


def find_key(run: Any, source: str, key: str) -> Any:
    """Return the data of a key of a run.

    Raises
    ------
    DataError
        If there is none; says what there is instead.
    """
    if source not in run.all_sources:
        found = listed(sorted(run.instrument_sources))
        raise DataError(f"no source {source}; instrument sources found: {found}")
    keys = run[source].keys()
    if key not in keys:
        raise DataError(f"{source}: no key {key}; keys found: {listed(sorted(keys))}")
    return run[source, key]


def find_mask(run: Any, source: str, settings: TrainSettings) -> Any:
    """Return the data of the mask of a source's pixels, None if none is asked for.

    Raises
    ------
    DataError
        If there is no such key, or it has another shape than the pixels.
    """
    if settings.mask_key is None:
        return None
    found = find_key(run, source, settings.mask_key)
    expected = find_key(run, source, settings.key).entry_shape
    if found.entry_shape != expected:
        raise DataError(
            f"{source} {settings.mask_key}: a mask of shape {found.entry_shape} for "
            f"pixels of shape {expected}"
        )
    return found


def always_bad(mask: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the pixels that a mask (P, ...), 0 = good, calls bad in every pulse."""
    always: npt.NDArray[np.bool_] = (mask != 0).all(axis=0)
    return always
