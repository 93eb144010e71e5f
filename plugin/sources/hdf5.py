"""Shots from HDF5 and CXI files, one file or several in a row."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.data import labelled_dataset
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
            labels=self.label_dataset,
            timestamps=self.timestamp_dataset,
            mask=self.mask_dataset,
        )
        return Hdf5Source(self.paths, names, self.first_shot, self.last_shot)


@dataclass(frozen=True, kw_only=True)
class DatasetNames:
    """Where things are in a file.

    Parameters
    ----------
    data : str
    labels, timestamps, mask : str or None
        Used where they exist; None where they must not be.
    """

    data: str = labelled_dataset.DATA
    labels: str | None = labelled_dataset.LABEL
    timestamps: str | None = labelled_dataset.TIMESTAMP
    mask: str | None = labelled_dataset.MASK


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """One open file of the run."""

    data: h5py.Dataset
    shape: tuple[int, int]
    labels: npt.NDArray[np.str_] | None
    timestamps: h5py.Dataset | None


class Hdf5Source:
    """A run in HDF5 files; any range of shots can be read.

    Parameters
    ----------
    paths : sequence of Path
        Files that follow each other.
    names : DatasetNames
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
        self._names = names or DatasetNames()
        self._files: list[h5py.File] = []
        self._parts = self._open(paths)
        self._ends = np.cumsum([len(part.data) for part in self._parts]).tolist()
        self.shape = self._parts[0].shape
        self.modules = labelled_dataset.module_count(self._parts[0].data.shape)
        self._stretches = [(0, self.modules)]
        self.dtype: np.dtype[Any] = self._parts[0].data.dtype
        self.first = first
        total = int(self._ends[-1])
        self._last = total if last is None else min(last, total)
        if self.first >= self._last:
            self.close()
            raise DataError(
                f"{paths[0]}: no shots from {first} to {last or total}, "
                f"the run has {total}"
            )

    def _open(self, paths: Sequence[Path]) -> list[_Part]:
        parts, problems = [], []
        for path in paths:
            try:
                parts.append(self._open_one(path))
            except DataError as error:
                problems.append(str(error))
        if problems:
            self.close()
            raise DataError("\n".join(problems))
        return parts

    def _open_one(self, path: Path) -> _Part:
        file = labelled_dataset.open_file(path)
        self._files.append(file)
        names = self._names
        data, shape = labelled_dataset.get_frames(file, names.data)
        labels = None
        if names.labels and names.labels in file:
            labels = labelled_dataset.read_texts(
                labelled_dataset.get_dataset(file, names.labels)
            )
            _check_length(path, names.labels, len(labels), len(data))
        timestamps = None
        if names.timestamps and names.timestamps in file:
            timestamps = labelled_dataset.get_dataset(file, names.timestamps)
            _check_length(path, names.timestamps, len(timestamps), len(data))
        return _Part(data=data, shape=shape, labels=labels, timestamps=timestamps)

    def __len__(self) -> int:
        return self._last - self.first

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return the mask (H, W) of the first file, True where bad, if it has one."""
        file = self._files[0]
        if not self._names.mask or self._names.mask not in file:
            return None
        return labelled_dataset.read_mask(
            labelled_dataset.get_dataset(file, self._names.mask), self.shape
        )

    def place(self, shot: int) -> tuple[Path, int]:
        """Return the file of a shot, and its number in that file."""
        part, event = self._locate(shot)
        return Path(part.data.file.filename), event

    @property
    def growing(self) -> bool:
        """Whether a file is being written, so that others may see more shots."""
        return any(file.swmr_mode for file in self._files)

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only; frames are 0 elsewhere.

        Parameters
        ----------
        needed : (modules,) bool
        """
        edges = np.flatnonzero(np.diff(needed.astype(np.int8), prepend=0, append=0))
        self._stretches = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1; what cannot be read comes flagged."""
        number = stop - start
        shots = blank_shots(start, stop, self.shape, self.dtype)
        position = 0
        while position < number:
            part, offset = self._locate(start + position)
            length = min(number - position, len(part.data) - offset)
            self._fill(shots, slice(position, position + length), part, offset)
            position += length
        return shots

    def _locate(self, shot: int) -> tuple[_Part, int]:
        number = bisect_right(self._ends, shot)
        return self._parts[number], shot - (self._ends[number - 1] if number else 0)

    def _fill(self, shots: Shots, place: slice, part: _Part, offset: int) -> None:
        wanted = slice(offset, offset + place.stop - place.start)
        if part.labels is not None:
            shots.truth[place] = part.labels[wanted]
        if part.timestamps is not None:
            shots.timestamp_ns[place] = part.timestamps[wanted]
        if part.shape != self.shape:
            shots.flags[place] |= Flag.WRONG_SHAPE.bits
            return
        try:
            self._read_frames(part.data, wanted, shots.frames[place])
        except OSError:
            self._fill_one_by_one(shots, place, part, offset)

    def _fill_one_by_one(
        self, shots: Shots, place: slice, part: _Part, offset: int
    ) -> None:
        """Read a damaged stretch shot by shot, so that only bad ones are lost."""
        for position in range(place.start, place.stop):
            shot = offset + position - place.start
            try:
                frames = shots.frames[position : position + 1]
                self._read_frames(part.data, slice(shot, shot + 1), frames)
            except OSError as error:
                log.warning("%s: shot %d: %s", part.data.file.filename, shot, error)
                shots.flags[position] |= Flag.UNREADABLE.bits

    def _read_frames(
        self, data: h5py.Dataset, rows: slice, frames: npt.NDArray[Any]
    ) -> None:
        """Read the modules that are needed into frames (B, H, W)."""
        if labelled_dataset.module_count(data.shape) != self.modules or data.ndim != 4:
            frames[:] = labelled_dataset.as_pictures(np.asarray(data[rows]))
            return
        stacked = frames.reshape(len(frames), *data.shape[1:])
        for first, last in self._stretches:
            stacked[:, first:last] = data[rows, first:last]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _check_length(path: Path, name: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(f"{path}:{name}: {found} entries for {expected} shots")
