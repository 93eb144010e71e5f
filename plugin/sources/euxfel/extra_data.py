"""Shots from runs that the European XFEL recorded, read with EXtra-data."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from specklenn.core.data.frames import as_pictures
from specklenn.core.data.shots import Shots, blank_shots, put
from specklenn.core.data.sources import ConfigFolder
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.core.settings_paths import FileName
from specklenn.plugin.sources.euxfel.assembly import Assembled, import_package
from specklenn.plugin.sources.euxfel.pulses import (
    TrainSettings,
    chosen_pulses,
    pulse_times_ns,
)
from specklenn.plugin.sources.euxfel.recorded_detector import AllModules
from specklenn.plugin.sources.euxfel.recorded_source import OneSource
from specklenn.plugin.sources.euxfel.recorded_trains import RecordedTrains

log = logging.getLogger(__name__)


class ExtraDataSettings(TrainSettings):
    """A recorded run: every chosen pulse of every train with data is a shot.

    Parameters
    ----------
    kind : "extra-data"
    path : path or None
        Folder of the run, or one of its HDF5 files.
    proposal, run : int or None
        Instead of a path, at the European XFEL.
    data : str
        Which data of the proposal: "proc", "raw", "all" or "default", as EXtra-data's
        ``open_run``.
    source : str or None
        Name of the source that has the pixels.
    detector : str or None
        Instead of a source: name of a detector whose modules are sources of their own,
        as ``SPB_DET_AGIPD1M-1``. The only one in the run if neither is given. Its
        modules have the numbers in the names of the sources.
    """

    kind: Literal["extra-data"]
    path: FileName | None = None
    proposal: int | None = Field(default=None, ge=1)
    run: int | None = Field(default=None, ge=0)
    data: str = "default"
    source: str | None = None
    detector: str | None = None

    @model_validator(mode="after")
    def _one_run(self) -> ExtraDataSettings:
        by_number = self.proposal is not None and self.run is not None
        if by_number == (self.path is not None):
            raise ValueError("exactly one of path, and proposal with run")
        if self.source is not None and self.detector is not None:
            raise ValueError("at most one of source and detector")
        return self

    def open(self, place: ConfigFolder) -> ExtraDataSource:
        """Open the run."""
        run, where = self._run()
        try:
            trains = self._trains(run)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        assembled = None
        if self.geometry is not None:
            assembled = self.geometry.assembled(place, trains.positions)
            assembled.check(trains.frame_shape, where)
        return ExtraDataSource(self, trains, train_times(run), assembled, where)

    def _run(self) -> tuple[Any, str]:
        """Return the open run, and what to call it."""
        extra_data = import_package(
            "extra_data", "source.kind: extra-data needs EXtra-data"
        )
        path = self.path
        where = str(path or f"proposal {self.proposal}, run {self.run}")
        try:
            # Never in parallel: it would start processes in the middle of an MPI job.
            if path is None:
                options = {"data": self.data, "parallelize": False}
                return extra_data.open_run(self.proposal, self.run, **options), where
            if path.is_file():
                return extra_data.H5File(where), where
            return extra_data.RunDirectory(where, parallelize=False), where
        except OSError as error:
            raise DataError(f"{where}: {error.strerror or error}") from error
        except Exception as error:  # files that are not as it expects raise anything
            raise DataError(f"{where}: no run for EXtra-data: {error}") from error

    def _trains(self, run: Any) -> RecordedTrains:
        if self.source is not None:
            return OneSource(run, self.source, self)
        return AllModules(run, self.detector, self)


def train_times(run: Any) -> dict[int, int]:
    """Return when each train of a run came, Unix epoch, nanoseconds.

    Files before format 1.0 do not know; their trains have 0.
    """
    times = np.asarray(run.train_timestamps())
    known = np.where(np.isnat(times), 0, times.astype(np.int64))
    return dict(zip(map(int, run.train_ids), map(int, known), strict=True))


class ExtraDataSource:
    """A recorded run; any range of shots can be read.

    Parameters
    ----------
    assembled : Assembled or None
        Puts modules into pictures; they are stacked by default.
    where : str
        The run, for messages.

    Raises
    ------
    DataError
        If it has no shot.
    """

    first = 0
    growing = False
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        settings: ExtraDataSettings,
        trains: RecordedTrains,
        times: dict[int, int],
        assembled: Assembled | None,
        where: str,
    ) -> None:
        self._settings = settings
        self._trains = trains
        self._times = times
        self._assembled = assembled
        self._where = where
        self._chosen = {
            int(number): chosen_pulses(settings.pulses, int(number))
            for number in np.unique(trains.pulses)
        }
        counts = [len(self._chosen[int(number)]) for number in trains.pulses]
        self._ends = np.cumsum(counts)
        if self._ends[-1] == 0:
            raise DataError(
                f"{where}: no shot: no train has the pulses {settings.pulses}, the "
                f"longest has {trains.pulses.max()}"
            )
        modules, rows, columns = trains.frame_shape
        self.dtype = trains.dtype
        self.modules = 1 if assembled else modules
        self.shape = assembled.shape if assembled else (modules * rows, columns)
        if assembled:
            log.info(
                "%s: pictures of %s, the beam at row %.1f, column %.1f by the geometry",
                where,
                self.shape,
                *assembled.centre,
            )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return where there is no pixel, or one that the data always call bad."""
        bad = self._trains.bad()
        pictures = None if bad is None else self._pictures(bad[None].astype(np.uint8))
        masks = [] if pictures is None else [pictures[0] != 0]
        if self._assembled:
            masks.append(self._assembled.empty)
        return np.logical_or.reduce(masks) if masks else None

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only; frames are 0 elsewhere."""
        if self._assembled is None:
            self._trains.read_only(needed)

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1; what cannot be read comes flagged."""
        shots = blank_shots(start, stop, self.shape, self.dtype)
        if self._settings.mask_key is not None:
            shots = replace(shots, bad=np.zeros(shots.frames.shape, bool))
        self._trains.expect(self._train_of(start), self._train_of(stop - 1) + 1)
        position = 0
        while position < len(shots):
            shot = start + position
            train = self._train_of(shot)
            length = min(len(shots) - position, int(self._ends[train]) - shot)
            self._fill(shots.part(position, position + length), train)
            position += length
        return shots

    def _train_of(self, shot: int) -> int:
        return int(np.searchsorted(self._ends, shot, side="right"))

    def _fill(self, shots: Shots, train: int) -> None:
        """Fill in shots that are all of one train."""
        pulses = int(self._trains.pulses[train])
        all_chosen = self._chosen[pulses]
        begin = int(self._ends[train]) - len(all_chosen)
        chosen = all_chosen[shots.index - begin]
        there = chosen < pulses
        shots.flags[~there] |= Flag.UNREADABLE.bits
        if not self._trains.whole[train]:
            shots.flags[:] |= Flag.UNREADABLE.bits
        train_id = int(self._trains.train_ids[train])
        try:
            shots.timestamp_ns[there] = self._pulse_times(train, chosen[there])
            if self._trains.whole[train]:
                found = self._trains.read(train, chosen[there])
                put(self._pictures(found.frames), shots.frames, there)
                if found.bad is not None and shots.bad is not None:
                    bad = self._pictures(found.bad.astype(np.uint8))
                    shots.bad[there] = bad != 0
        except Exception as error:  # damaged files make EXtra-data raise anything
            log.warning("%s: train %d: %s", self._where, train_id, error)
            shots.flags[:] |= Flag.UNREADABLE.bits

    def _pulse_times(
        self, train: int, chosen: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint64]:
        numbers = self._trains.numbers(train)[chosen]
        train_ns = self._times.get(int(self._trains.train_ids[train]), 0)
        return pulse_times_ns(train_ns, numbers, self._settings.pulse_spacing_ns)

    def _pictures(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._assembled is None:
            return as_pictures(frames)
        return self._assembled.pictures(frames)

    def close(self) -> None:
        """Nothing to do: EXtra-data closes its files itself."""
