"""Trains of one source in a run that EXtra-data opened."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.plugin.sources.euxfel.pulses import (
    Pulses,
    TrainSettings,
    arranged,
    masked,
)
from specklenn.plugin.sources.euxfel.recorded_trains import (
    always_bad,
    find_key,
    find_mask,
)


class OneSource:
    """Trains of one source: a camera, one module, or frames already put together.

    Raises
    ------
    DataError
        If there is no such source or key, no data, or no pictures in it.
    """

    def __init__(self, run: Any, source: str, settings: TrainSettings) -> None:
        self._settings = settings
        self.positions: list[int] | None = settings.only_modules
        self._data = find_key(run, source, settings.key)
        self._bad = find_mask(run, source, settings)
        self._ids = None
        if settings.pulse_id_key:
            self._ids = find_key(run, source, settings.pulse_id_key)
        counts = self._data.data_counts(labelled=False)
        there = counts > 0
        self.train_ids = np.asarray(self._data.train_ids, np.uint64)[there]
        where = f"{source} {settings.key}"
        if len(self.train_ids) == 0:
            raise DataError(f"{where}: no train with data")
        self._single = int(counts.max()) == 1
        self.dtype = self._data.dtype
        self.frame_shape = self._shape(where, int(counts.max()))
        self._entries = counts[there].astype(np.int64)
        self.pulses = self._entries * self._per_entry
        self.whole = np.ones(len(self.train_ids), bool)
        self._held: dict[int, Pulses] = {}

    def _shape(self, where: str, most: int) -> tuple[int, int, int]:
        """Return the shape of a frame as the settings say that it lies in a train."""
        if self.dtype.kind not in "uif":
            raise DataError(f"{where}: data type {self.dtype}, numbers expected")
        entries = () if self._single else (most,)
        example = np.broadcast_to(
            np.zeros((), self.dtype), (*entries, *self._data.entry_shape)
        )
        try:
            pulses = self._modules(arranged(example, self._settings.axes))
        except (ValueError, IndexError) as error:
            raise DataError(f"{where}: {error}") from error
        self._per_entry = len(pulses) if self._single else 1
        modules, rows, columns = pulses.shape[1:]
        return modules, rows, columns

    def _modules(self, pulses: npt.NDArray[Any]) -> npt.NDArray[Any]:
        used = self._settings.only_modules
        if used is None:
            return pulses
        if used[-1] >= pulses.shape[1]:
            raise ValueError(
                f"{pulses.shape[1]} modules, module {used[-1]} of only_modules expected"
            )
        return pulses[:, used]

    def expect(self, first: int, stop: int) -> None:
        """Read trains at once, which is faster than one by one."""
        held = {train: self._held[train] for train in self._held if train >= first}
        missing = [train for train in range(first, stop) if train not in held]
        # What is damaged raises again, alone, when its own train is read.
        with suppress(Exception):
            held.update(zip(missing, self._pulses(missing), strict=True))
        self._held = held

    def read(self, train: int, chosen: npt.NDArray[np.int64]) -> Pulses:
        """Return pulses of a train; see `RecordedTrains`."""
        held = self._held.get(train)
        if held is None:
            held = self._pulses([train])[0]
        return held.part(chosen)

    def _pulses(self, trains: Sequence[int]) -> list[Pulses]:
        frames = self._arrays(self._data, trains)
        if self._bad is None:
            return [masked(each, None) for each in frames]
        masks = self._arrays(self._bad, trains)
        return [masked(f, m) for f, m in zip(frames, masks, strict=True)]

    def _arrays(self, data: Any, trains: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Return the pulses of trains in a row, each (P, modules, H, W)."""
        from extra_data import by_id

        if not trains:
            return []
        chosen = slice(trains[0], trains[-1] + 1)
        found = data.select_trains(by_id[self.train_ids[chosen]]).ndarray()
        entries = np.split(found, np.cumsum(self._entries[chosen])[:-1])
        single = [entry[0] if self._single else entry for entry in entries]
        return [self._modules(arranged(one, self._settings.axes)) for one in single]

    def numbers(self, train: int) -> npt.NDArray[Any]:
        """Return the numbers of the pulses; see `RecordedTrains`."""
        if self._ids is None:
            return np.arange(self.pulses[train])
        _, found = self._ids.train_from_id(self.train_ids[train], keep_dims=True)
        return np.asarray(found).ravel()

    def bad(self) -> npt.NDArray[np.bool_] | None:
        """Return the pixels that are always bad; see `RecordedTrains`."""
        if self._bad is None:
            return None
        return always_bad(self._arrays(self._bad, [0])[0])

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read everything: one source is not stored by module."""
