"""Shots from HDF5 and CXI files, one file, several in a row or a list of shots."""

from __future__ import annotations

import logging
import math
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.data import labelled_dataset
from specklenn.core.data.frames import Modules, numbered
from specklenn.core.data.hdf5_file import LARGEST_CACHE, has_writer
from specklenn.core.data.labelled_dataset import (
    DatasetNames,
    LabelledDataset,
    check_calibration,
)
from specklenn.core.data.masks import Mask, MaskBits
from specklenn.core.data.shot_lists import SUFFIX, ListedShots, expanded, read_list
from specklenn.core.data.shots import Shots, blank_shots, put
from specklenn.core.data.side_datasets import Texts, Timestamps
from specklenn.core.data.sources import ConfigFolder, SourceSettings
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.core.settings_paths import FileName, FileNames
from specklenn.plugin.parallel.clock import SystemClock

if TYPE_CHECKING:
    from specklenn.plugin.sources.followed_run import FollowedRun

log = logging.getLogger(__name__)

SHOT = re.compile(r"shot \d+")

START_STEP_S = 0.5
"""Between two looks for the first shot of a run."""

MOST_OPEN = 8
"""Files of a run that are open at once; a run can have more than a process may open."""


class Hdf5Settings(SourceSettings):
    """Shots in HDF5 or CXI files.

    Parameters
    ----------
    kind : "hdf5"
    path : path or list of path
        One file or several that follow each other as one run. Names with ``*``, ``?``
        or ``[...]`` stand for all files that have such names, by their numbers. Names
        that end in ``.lst`` are lists as CrystFEL writes them: a file a line, or
        ``file //event``.
    dataset : str
        Frames, (N, H, W) or (N, modules, H, W), or a single frame (H, W).
    label_dataset : str or None
        Labels, for the confusion table; the usual name is unused where it does not
        exist, any other must exist.
    timestamp_dataset : str or None
        Unix epoch, nanoseconds; as the labels.
    mask_dataset : str or None
        Bad pixels, 0 = good, for all shots or for each; as the labels.
    mask_bits : "cxi", "any" or int
        Bits of the mask that make a pixel bad: CXI's (those that only inform do not),
        any, or these.
    first_shot, last_shot : int or None
        Use only a part: first shot, and the one behind the last.
    live : bool
        The files are still being written: they are read as they grow, and the run
        ends with them.
    idle_end_s : float or None
        The run is over when no shot has come for so long, or not started if none comes
        so long; None waits for ever.
    end_file : path or None
        The run is over when this file is there, and all shots before it are read.
    trouble_after_s : float
        Silence after which the monitor says so.
    """

    kind: Literal["hdf5"]
    path: FileNames
    dataset: str = labelled_dataset.DATA
    label_dataset: str | None = labelled_dataset.LABEL
    timestamp_dataset: str | None = labelled_dataset.TIMESTAMP
    mask_dataset: str | None = labelled_dataset.MASK
    mask_bits: MaskBits = "cxi"
    first_shot: int = Field(default=0, ge=0)
    last_shot: int | None = Field(default=None, ge=1)
    live: bool = False
    idle_end_s: float | None = Field(default=60.0, gt=0)
    end_file: FileName | None = None
    trouble_after_s: float = Field(default=5.0, gt=0)

    @property
    def paths(self) -> list[Path]:
        """The files, in order."""
        return [self.path] if isinstance(self.path, Path) else self.path

    @property
    def _names(self) -> DatasetNames:
        return DatasetNames(
            data=self.dataset,
            mask=self.mask_dataset,
            labels=self.label_dataset,
            names=None,
            timestamps=self.timestamp_dataset,
            mask_bits=self.mask_bits,
        )

    def open(self, place: ConfigFolder) -> Hdf5Source:
        """Open the files."""
        from specklenn.plugin.sources.followed_run import FollowedRun

        part = self.first_shot, self.last_shot
        if self.live:
            try:
                return self._follow()
            except DataError as error:
                raise DataError(f"{error} (a run waits for it: source.live)") from error
        paths = expanded(self.paths)
        if not any(has_writer(item.file) for item in listed(paths)):
            source = Hdf5Source(paths, self._names, *part)
            if not source.growing:
                return source
            source.close()
        return FollowedRun(paths, self._names, *part)

    def _follow(self) -> FollowedRun:
        from specklenn.plugin.sources.followed_run import FollowedRun

        end = RunEnd(
            idle_s=self.idle_end_s,
            file=self.end_file,
            trouble_after_s=self.trouble_after_s,
        )
        part = self.first_shot, self.last_shot
        return FollowedRun(self.paths, self._names, *part, end)

    def await_start(self, place: ConfigFolder, say: Callable[[str], None]) -> None:
        """Wait for the first shot of files that are still being written."""
        if not self.live:
            return
        clock = SystemClock()
        until_s = clock.monotonic() + (self.idle_end_s or math.inf)
        said = ""
        while True:
            try:
                self._follow().close()
            except DataError as error:
                if clock.monotonic() >= until_s:
                    raise DataError(
                        f"{error}; waited {self.idle_end_s:g} s for a shot "
                        "(source.idle_end_s)"
                    ) from error
                if str(error) != said:
                    said = str(error)
                    say(f"waiting for a shot: {said}")
            else:
                return
            clock.sleep(START_STEP_S)


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """When a run that grows is over.

    Parameters
    ----------
    idle_s : float or None
        When no shot has come for so long; None never.
    file : Path or None
        When this file is there.
    trouble_after_s : float
        Silence that is told.
    """

    idle_s: float | None = None
    file: Path | None = None
    trouble_after_s: float = 5.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FileFacts:
    """What is known of a file without opening it again.

    Parameters
    ----------
    name : str
        File and dataset, for messages.
    shots : int
        How many it has.
    labels : (N,) str or None
    timestamps_ns : (N,) uint64 or None
    notes : tuple of str
        What of it cannot be read.
    """

    name: str
    shots: int
    shape: tuple[int, int]
    modules: int
    dtype: np.dtype[Any]
    in_photons: bool
    growing: bool
    masked: bool
    masks_every_shot: bool
    labels: Texts | None
    timestamps_ns: Timestamps | None
    notes: tuple[str, ...]


def facts_of(file: LabelledDataset) -> FileFacts:
    """Return what is known of an open file."""
    return FileFacts(
        name=str(file),
        shots=len(file),
        shape=file.shape,
        modules=file.modules,
        dtype=file.dtype,
        in_photons=file.in_photons,
        growing=file.growing,
        masked=file.masked,
        masks_every_shot=file.masks_every_shot,
        labels=file.labels,
        timestamps_ns=file.timestamps_ns,
        notes=file.notes,
    )


class RunFiles(Protocol):
    """The files of a run, opened when they are read."""

    def get(self, path: Path) -> LabelledDataset:
        """Return a file that is open."""

    def facts(self, path: Path) -> FileFacts:
        """Return what is known of a file."""

    def every(self) -> list[FileFacts]:
        """Return what is known of all files."""

    def close(self) -> None:
        """Close the files."""


class OpenFiles:
    """The files of a run, of which the last ones that were read stay open.

    Parameters
    ----------
    names : DatasetNames
    most : int
        How many are open at once.
    """

    def __init__(self, names: DatasetNames, most: int = MOST_OPEN) -> None:
        self._names = names
        self._most = most
        self._open: OrderedDict[Path, LabelledDataset] = OrderedDict()
        self._facts: dict[Path, FileFacts] = {}

    def get(self, path: Path) -> LabelledDataset:
        """Return a file that is open, in place of the one not read for longest."""
        if path not in self._open:
            self._open[path] = LabelledDataset(path, self._names)
        self._open.move_to_end(path)
        while len(self._open) > 1 and self._too_many:
            self._open.popitem(last=False)[1].close()
        return self._open[path]

    @property
    def _too_many(self) -> bool:
        """Whether more are open than may be, or keep too much of unpacked chunks."""
        kept = sum(file.cache_bytes for file in self._open.values())
        return len(self._open) > self._most or kept > LARGEST_CACHE

    def facts(self, path: Path) -> FileFacts:
        """Return what is known of a file; it is opened for that once."""
        if path not in self._facts:
            self._facts[path] = facts_of(self.get(path))
        return self._facts[path]

    def every(self) -> list[FileFacts]:
        """Return what is known of all files."""
        return list(self._facts.values())

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Shots of one file that follow each other in a run.

    Parameters
    ----------
    events : (n,) int64
        Their numbers in the file.
    """

    path: Path
    facts: FileFacts
    events: npt.NDArray[np.int64]


class Hdf5Source:
    """A run in HDF5 files; any range of shots can be read.

    Frames come in the common type of all files.

    Parameters
    ----------
    paths : sequence of Path
        Files that follow each other, or lists of shots (``.lst``).
    names : DatasetNames, optional
    first, last : int, int or None
        Part of the run to use; the last is the one behind.
    files : RunFiles, optional
        How its files are opened.

    Attributes
    ----------
    problem : str
        Why a shot could not be read last, a sentence; empty while all can.
    notes : tuple of str
        What of the files cannot be read, sentences.

    Raises
    ------
    DataError
        If a file or a dataset cannot be opened; all are tried.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        names: DatasetNames | None = None,
        first: int = 0,
        last: int | None = None,
        files: RunFiles | None = None,
    ) -> None:
        self.problem = ""
        self._noted: set[str] = set()
        self._files = files or OpenFiles(names or DatasetNames())
        self._parts: list[Part] = []
        self._open(listed(paths))
        self._ends = np.cumsum([len(part.events) for part in self._parts]).tolist()
        facts = self._parts[0].facts
        self.shape, self.modules = facts.shape, facts.modules
        self.dtype: np.dtype[Any] = np.result_type(
            *{each.dtype for each in self._files.every()}
        )
        self.notes = tuple(note for each in self._files.every() for note in each.notes)
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

    def _open(self, listed: Sequence[ListedShots]) -> None:
        problems = []
        for item in listed:
            try:
                facts = self._files.facts(item.file)
                rows = slice(None) if item.events is None else item.events
                events = numbered(rows, facts.shots, facts.name)
            except DataError as error:
                problems.append(str(error))
            else:
                self._parts.append(Part(path=item.file, facts=facts, events=events))
        if problems:
            self.close()
            raise DataError("\n".join(dict.fromkeys(problems)))

    def __len__(self) -> int:
        return self._last - self.first

    def mask(self) -> Mask | None:
        """Return the mask (H, W) of the first file, True where bad, if it has one."""
        return self._files.get(self._parts[0].path).mask

    @property
    def mask_words(self) -> str:
        """How many pixels the mask of the first file masks, and why."""
        return self._files.get(self._parts[0].path).mask_words

    def check_calibration(self, calibrated: bool) -> None:
        """Refuse to calibrate a file that is in photons a second time."""
        for each in self._files.every():
            check_calibration(each.name, each.in_photons, calibrated)

    def locate(self, shot: int) -> tuple[Path, int]:
        """Return the file of a shot, and its number in that file."""
        part, place = self._part_of(shot)
        return part.path, int(part.events[place])

    @property
    def growing(self) -> bool:
        """Whether a file is being written, so that others may see more shots."""
        return any(each.growing for each in self._files.every())

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
        blank = blank_shots(start, stop, self.shape, self.dtype)
        shots = replace(blank, bad=self._no_masks(number))
        position = 0
        while position < number:
            part, offset = self._part_of(start + position)
            length = min(number - position, len(part.events) - offset)
            events = part.events[offset : offset + length]
            self._fill(shots, slice(position, position + length), part, events)
            position += length
        return shots

    def _no_masks(self, number: int) -> Mask | None:
        """Return room for masks of shots alone, where the first file's is not all."""
        others = [part.facts.masked for part in self._parts[1:]]
        if not (self._parts[0].facts.masks_every_shot or any(others)):
            return None
        return np.zeros((number, *self.shape), bool)

    def _part_of(self, shot: int) -> tuple[Part, int]:
        number = bisect_right(self._ends, shot)
        return self._parts[number], shot - (self._ends[number - 1] if number else 0)

    def _fill(
        self, shots: Shots, target: slice, part: Part, events: npt.NDArray[np.int64]
    ) -> None:
        facts = part.facts
        labels, times = self._columns(part, events)
        if labels is not None:
            shots.truth[target] = labels
        if times is not None:
            shots.timestamp_ns[target] = times
        if facts.shape != self.shape:
            shots.flags[target] |= Flag.WRONG_SHAPE.bits
            return
        try:
            self._copy(shots, target, part, events)
        except DataError:
            self._fill_one_by_one(shots, target, part, events)

    def _columns(
        self, part: Part, events: npt.NDArray[np.int64]
    ) -> tuple[Texts | None, Timestamps | None]:
        """Return labels and times of some events, (B,) each, where there are any."""
        labels, times = part.facts.labels, part.facts.timestamps_ns
        return (
            None if labels is None else labels[events],
            None if times is None else times[events],
        )

    def _fill_one_by_one(
        self, shots: Shots, target: slice, part: Part, events: npt.NDArray[np.int64]
    ) -> None:
        """Read a damaged stretch shot by shot, so that only bad ones are lost."""
        lost: list[str] = []
        for position, event in zip(
            range(target.start, target.stop), events, strict=True
        ):
            one = slice(position, position + 1)
            try:
                self._copy(shots, one, part, np.array([event]))
            except DataError as error:
                lost.append(str(error))
                shots.frames[one] = 0
                shots.flags[one] |= Flag.UNREADABLE.bits
        if lost:
            self._note(lost[0])

    def _note(self, problem: str) -> None:
        """Log a problem once, however many shots have it."""
        self.problem = problem
        kind = SHOT.sub("shots", problem)
        if kind not in self._noted:
            self._noted.add(kind)
            log.warning("%s; it is said once for all shots", problem)

    def _copy(
        self, shots: Shots, target: slice, part: Part, events: npt.NDArray[np.int64]
    ) -> None:
        """Read frames, of the modules that are needed, and masks of theirs alone."""
        file = self._files.get(part.path)
        needed = self._needed if part.facts.modules == self.modules else None
        put(file.frames(events, needed), shots.frames, target)
        bad = file.bad_in(events, needed)
        if shots.bad is not None:
            shots.bad[target] = file.bad if bad is None else bad

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def listed(paths: Sequence[Path]) -> list[ListedShots]:
    """Return files and the shots of lists, in order.

    Raises
    ------
    DataError
        With every problem found.
    """
    found: list[ListedShots] = []
    problems = []
    for path in paths:
        if path.suffix.lower() != SUFFIX:
            found.append(ListedShots(file=path))
            continue
        try:
            found.extend(read_list(path))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return found
