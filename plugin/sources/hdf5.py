"""Shots from HDF5 and CXI files, one file or several in a row."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.data import labelled_dataset
from specklenn.core.data.frames import Frames, Modules
from specklenn.core.data.labelled_dataset import (
    DatasetNames,
    LabelledDataset,
    check_calibration,
)
from specklenn.core.data.shots import Shots, blank_shots
from specklenn.core.data.sources import ConfigFolder, SourceSettings
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.core.settings_paths import FileNames

log = logging.getLogger(__name__)


class Hdf5Settings(SourceSettings):
    """Shots in HDF5 or CXI files.

    Parameters
    ----------
    kind : "hdf5"
    path : path or list of path
        One file or several that follow each other as one run.
    dataset : str
        Frames, (N, H, W) or (N, modules, H, W).
    label_dataset : str or None
        Labels, for the confusion table; unused where it does not exist.
    timestamp_dataset : str or None
        Unix epoch, nanoseconds; unused where it does not exist.
    mask_dataset : str or None
        Bad pixels, 0 = good; unused where it does not exist.
    first_shot, last_shot : int or None
        Use only a part: first shot, and the one behind the last.
    """

    kind: Literal["hdf5"]
    path: FileNames
    dataset: str = labelled_dataset.DATA
    label_dataset: str | None = labelled_dataset.LABEL
    timestamp_dataset: str | None = labelled_dataset.TIMESTAMP
    mask_dataset: str | None = labelled_dataset.MASK
    first_shot: int = Field(default=0, ge=0)
    last_shot: int | None = Field(default=None, ge=1)

    @property
    def paths(self) -> list[Path]:
        """The files, in order."""
        return [self.path] if isinstance(self.path, Path) else self.path

    def open(self, place: ConfigFolder) -> Hdf5Source:
        """Open the files."""
        names = DatasetNames(
            data=self.dataset,
            mask=self.mask_dataset,
            labels=self.label_dataset,
            names=None,
            timestamps=self.timestamp_dataset,
        )
        return Hdf5Source(self.paths, names, self.first_shot, self.last_shot)


class Hdf5Source:
    """A run in HDF5 files; any range of shots can be read.

    Parameters
    ----------
    paths : sequence of Path
        Files that follow each other.
    first, last : int, int or None
        Part of the run to use; the last is the one behind.

    Raises
    ------
    DataError
        If a file or its dataset of frames cannot be opened; all are tried.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        paths: Sequence[Path],
        names: DatasetNames | None = None,
        first: int = 0,
        last: int | None = None,
    ) -> None:
        self._parts: list[LabelledDataset] = []
        self._open(paths, names or DatasetNames())
        self._ends = np.cumsum([len(part) for part in self._parts]).tolist()
        self.shape = self._parts[0].shape
        self.modules = self._parts[0].modules
        self.dtype: np.dtype[Any] = self._parts[0].dtype
        self._needed: Modules | None = None
        self.first = first
        total = int(self._ends[-1])
        self._last = total if last is None else min(last, total)
        if self.first >= self._last:
            self.close()
            raise DataError(
                f"{paths[0]}: no shots from {first} to {last or total}, "
                f"the run has {total}"
            )

    def _open(self, paths: Sequence[Path], names: DatasetNames) -> None:
        problems = []
        for path in paths:
            try:
                self._parts.append(LabelledDataset(path, names))
            except DataError as error:
                problems.append(str(error))
        if problems:
            self.close()
            raise DataError("\n".join(problems))

    def __len__(self) -> int:
        return self._last - self.first

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return the mask (H, W) of the first file, True where bad, if it has one."""
        return self._parts[0].mask

    def check_calibration(self, calibrated: bool) -> None:
        """Refuse to calibrate a file that is in photons a second time."""
        for part in self._parts:
            check_calibration(str(part), part.in_photons, calibrated)

    def locate(self, shot: int) -> tuple[Path, int]:
        """Return the file of a shot, and its number in that file."""
        part, event = self._part_of(shot)
        return part.path, event

    @property
    def growing(self) -> bool:
        """Whether a file is being written, so that others may see more shots."""
        return any(part.growing for part in self._parts)

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only; frames are 0 elsewhere.

        Parameters
        ----------
        needed : (modules,) bool
        """
        edges = np.flatnonzero(np.diff(needed.astype(np.int8), prepend=0, append=0))
        self._needed = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1; what cannot be read comes flagged."""
        number = stop - start
        shots = blank_shots(start, stop, self.shape, self.dtype)
        position = 0
        while position < number:
            part, offset = self._part_of(start + position)
            length = min(number - position, len(part) - offset)
            self._fill(shots, slice(position, position + length), part, offset)
            position += length
        return shots

    def _part_of(self, shot: int) -> tuple[LabelledDataset, int]:
        number = bisect_right(self._ends, shot)
        return self._parts[number], shot - (self._ends[number - 1] if number else 0)

    def _fill(
        self, shots: Shots, target: slice, part: LabelledDataset, offset: int
    ) -> None:
        wanted = slice(offset, offset + target.stop - target.start)
        if part.labels is not None:
            shots.truth[target] = part.labels[wanted]
        if part.timestamps_ns is not None:
            shots.timestamp_ns[target] = part.timestamps_ns[wanted]
        if part.shape != self.shape:
            shots.flags[target] |= Flag.WRONG_SHAPE.bits
            return
        try:
            shots.frames[target] = self._frames(part, wanted)
        except DataError:
            self._fill_one_by_one(shots, target, part, offset)

    def _fill_one_by_one(
        self, shots: Shots, target: slice, part: LabelledDataset, offset: int
    ) -> None:
        """Read a damaged stretch shot by shot, so that only bad ones are lost."""
        for position in range(target.start, target.stop):
            shot = offset + position - target.start
            try:
                (frame,) = self._frames(part, slice(shot, shot + 1))
            except DataError as error:
                log.warning("%s", error)
                shots.flags[position] |= Flag.UNREADABLE.bits
            else:
                shots.frames[position] = frame

    def _frames(self, part: LabelledDataset, rows: slice) -> Frames:
        """Read frames (B, H, W), of the modules that are needed."""
        alike = part.modules == self.modules
        return part.frames(rows, self._needed if alike else None)

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.close()
