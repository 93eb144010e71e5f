"""A run in HDF5 files that are still being written.

Rank 0 looks for more shots (`FollowedRun.look`) and leases them; with a lease goes
where its shots lie (`places`), since another rank may see fewer files, or shorter ones.
That rank reads them as soon as it sees them (`ready`). Files follow each other: a later
one is begun when it has a shot and the one before is no longer written.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from specklenn.core.data.growing_file import HALF_WRITTEN, GrowingFile, WriterBusyError
from specklenn.core.data.labelled_dataset import DatasetNames, LabelledDataset
from specklenn.core.data.shot_lists import ListedShots, expanded
from specklenn.core.data.shots import Places, Shots
from specklenn.core.data.side_datasets import Texts, Timestamps
from specklenn.core.errors import DataError
from specklenn.plugin.parallel.clock import Clock, SystemClock
from specklenn.plugin.sources.hdf5 import (
    MOST_OPEN,
    FileFacts,
    Hdf5Source,
    Part,
    RunEnd,
    facts_of,
)

log = logging.getLogger(__name__)

SETTLED_S = 2.0
"""A file that has not changed for so long is complete once the next one has shots."""

DEAD_AFTER_S = 60.0
"""The same of a file that its writer has not closed, where no silence is set."""

PATIENCE_S = 30.0
"""How long a rank may not see, or not be allowed to read, what rank 0 has seen."""

RETRY_S = 0.02

MOST_LEASED = 64
"""Leases that a worker remembers; it holds two."""


Value = TypeVar("Value")


def until_free(attempt: Callable[[], Value]) -> Value:
    """Try again while a writer has its file open.

    Raises
    ------
    DataError
        After `PATIENCE_S`.
    """
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except WriterBusyError as busy:
            if time.monotonic() > until_s:
                raise DataError(f"{busy}; waited {PATIENCE_S:g} s") from busy
        time.sleep(RETRY_S)


class FollowedFiles:
    """The files of a run that are followed; few of them are open."""

    def __init__(self, names: DatasetNames) -> None:
        self._names = names
        self._files: dict[Path, GrowingFile] = {}
        self._facts: dict[Path, FileFacts] = {}

    def file(self, path: Path) -> GrowingFile:
        """Return a file, which need not be there yet; the one read last is the last."""
        found = self._files.pop(path, None) or GrowingFile(path, self._names)
        self._files[path] = found
        for old in [*self._files.values()][:-MOST_OPEN]:
            old.close()
        return found

    def get(self, path: Path) -> LabelledDataset:
        """Return a file that is open."""
        return self.file(path).get()

    def facts(self, path: Path) -> FileFacts:
        """Return what is known of a file that has a shot.

        Raises
        ------
        DataError
            If it has none.
        """
        if path not in self._facts:
            file = self.file(path)
            if not file.shots and not file.look():
                raise DataError(file.problem or f"{path}: no shot yet")
            self._facts[path] = facts_of(until_free(file.get))
        return self._facts[path]

    def every(self) -> list[FileFacts]:
        """Return what is known of all files."""
        return list(self._facts.values())

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class FollowedRun(Hdf5Source):
    """A run whose files grow.

    Parameters
    ----------
    paths : sequence of Path
        Files that follow each other, of which the later ones need not be there yet.
        Names with wildcards are looked for again and again.
    names : DatasetNames
    first, last : int, int or None
        Part of the run to use; the last is the one behind.
    end : RunEnd or None
        When it is over. None reads the shots that are there at the start, and no more.

    Attributes
    ----------
    over : bool
        Whether no more shots will come.

    Raises
    ------
    DataError
        If the first shot is not there.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        names: DatasetNames,
        first: int = 0,
        last: int | None = None,
        end: RunEnd | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.over = end is None
        self._end = end
        self._wanted = paths
        self._clock = clock or SystemClock()
        self._most = last
        self._changed_s = self._clock.monotonic()
        self._changed_at = ""
        self._waiting_s: float | None = None
        self._leased: deque[tuple[int, int, Places]] = deque(maxlen=MOST_LEASED)
        self._followed = FollowedFiles(names)
        self._passed_over: set[Path] = set()
        self._closing: list[str] = []
        super().__init__(paths, names, first, last, self._followed)
        if end is None:
            self.notes += tuple(
                f"{part.path}: being written: the {len(part.events)} shots that are "
                "there now are read; with source.live=true a run follows it"
                for part in self._parts
                if self._followed.file(part.path).being_written
            )

    @property
    def growing(self) -> bool:
        """Whether others may see more shots: they may."""
        return True

    @property
    def live(self) -> bool:
        """Whether it is followed; else it is read as it was at the start."""
        return self._end is not None

    @property
    def stop(self) -> int:
        """Number of the shot behind the last one that is known."""
        return self._last

    def _open(self, listed: Sequence[ListedShots]) -> None:
        """Open the files that are there, as far as they follow each other."""
        if self._end is None:
            super()._open(listed)
            return
        self._order = self._in_order()
        if not self._order:
            raise DataError(f"{self._wanted[0]}: no file has such a name")
        self._add(self._order[0])
        self._grow()

    def _in_order(self) -> list[Path]:
        found = expanded(self._wanted, may_lack=True)
        if any(path.suffix.lower() == ".lst" for path in found):
            raise DataError(
                f"{found[0]}: a list of shots found, files expected (source.live)"
            )
        return found

    def _add(self, path: Path) -> None:
        facts = self._followed.facts(path)
        self._parts.append(Part(path=path, facts=facts, events=np.arange(0)))

    def look(self) -> None:
        """Look for more shots, and whether the run is over; for rank 0 alone.

        Raises
        ------
        DataError
            If a file is gone, was cut or is another one.
        """
        if self._end is None or self.over:
            return
        marked = self._end.file is not None and self._end.file.exists()
        self._grow(to_the_end=marked)
        known = self.stop
        if known == self._most:
            self.over = True
        elif marked or self._is_complete:
            self._finish("")
        elif self._end.idle_s is not None and self._silent_s > self._end.idle_s:
            self._grow(to_the_end=True)
            if self.stop == known:
                self._finish(
                    f"no new shot for {self._end.idle_s:g} s, which ends the run "
                    "(source.idle_end_s)"
                )

    @property
    def _silent_s(self) -> float:
        return self._clock.monotonic() - self._changed_s

    @property
    def stall_reason(self) -> str:
        """Why no shots come, a sentence; empty while they do."""
        if self._end is None or self.over:
            return ""
        if self._silent_s <= self._end.trouble_after_s:
            return ""
        file = self._newest
        since = f"since {self._changed_at}" if self._changed_at else "yet"
        why = f" ({file.problem})" if file.problem else ""
        return f"{file.path}: no new shot {since}{why}"

    @property
    def _newest(self) -> GrowingFile:
        return self._followed.file(self._parts[-1].path)

    @property
    def _is_complete(self) -> bool:
        """Whether the last of named files was closed by a writer that others saw."""
        named = not any(path not in self._order for path in self._wanted)
        last = self._parts[-1].path == self._order[-1]
        return named and last and self._newest.was_closed

    def _grow(self, *, to_the_end: bool = False) -> None:
        """Take what was written since, of this file and those behind it."""
        before = self._known
        while True:
            file = self._newest
            self._resize(file.look(to_the_end=to_the_end))
            after = self._next()
            if after is None or not self._is_done(file):
                break
            self._resize(file.look(to_the_end=True))
            if file.problem:
                break
            self._note_unwritten(file)
            file.close()
            self._add(after)
        self._ends = np.cumsum([len(part.events) for part in self._parts]).tolist()
        total = self._known
        self._last = total if self._most is None else min(self._most, total)
        if total > before:
            self._changed_s = self._clock.monotonic()
            wall_s = self._clock.wall_ns() // 10**9
            self._changed_at = time.strftime("%H:%M:%S", time.localtime(wall_s))

    @property
    def _known(self) -> int:
        return sum(len(part.events) for part in self._parts)

    def _resize(self, shots: int) -> None:
        if shots != len(self._parts[-1].events):
            self._parts[-1] = replace(self._parts[-1], events=np.arange(shots))

    def _next(self) -> Path | None:
        """Return the next file, if it has a shot."""
        begun = [part.path for part in self._parts]
        self._order = self._in_order()
        place = self._order.index(begun[-1]) if begun[-1] in self._order else -1
        for path in self._order[: max(place, 0)]:
            if path not in begun and path not in self._passed_over:
                self._passed_over.add(path)
                if self._followed.file(path).look():
                    self._tell(f"{path}: came after {begun[-1]}; it is not read")
        for path in self._order[place + 1 :]:
            if path not in begun and self._followed.file(path).look():
                return path
        return None

    def _is_done(self, file: GrowingFile) -> bool:
        """Whether nobody writes a file any more, by its own words and its time."""
        assert self._end is not None
        quiet_s = self._clock.wall_ns() / 1e9 - file.changed_s
        if file.being_written:
            return quiet_s > (self._end.idle_s or DEAD_AFTER_S)
        return quiet_s > SETTLED_S

    def _finish(self, why: str) -> None:
        """End the run; say what must be known of that."""
        self.over = True
        file = self._newest
        if file.being_written:
            dead = "its writer has not closed it: it goes on, or died"
            why = f"{why}; {dead}" if why else dead
        elif why and file.problem:
            why = f"{why}; it could not be looked at last: {file.problem}"
        if why:
            self._tell(f"{file.path}: {why}; {self._go_on}")
        self._note_unwritten(file)

    @property
    def _go_on(self) -> str:
        return (
            f"should more come: --set source.first_shot={self.stop} and another "
            "output.folder go on"
        )

    def _note_unwritten(self, file: GrowingFile) -> None:
        if file.room > file.shots:
            self._tell(
                f"{file.path}: room for {file.room} shots, {file.shots} were written"
            )

    def _tell(self, words: str) -> None:
        self._closing.append(words)
        log.warning("%s", words)

    def closing_notes(self) -> list[str]:
        """Return what a person must know when the run has ended, sentences."""
        if self._end is not None:
            return self._closing
        notes = []
        for part in self._parts:
            file = self._followed.file(part.path)
            before, now = file.shots, file.look()
            if now > before or file.being_written:
                notes.append(
                    f"{part.path}: still being written: {before} shots were read, "
                    f"{now} are there now; source.live=true follows it, or "
                    f"--set source.first_shot={self.stop} and another output.folder "
                    "go on"
                )
        return notes

    def places(self, start: int, stop: int) -> Places:
        """Return where shots lie: files, and their numbers in these."""
        found: Places = []
        while start < stop:
            part, offset = super()._part_of(start)
            events = part.events[offset : offset + stop - start]
            found.append((str(part.path), events.tolist()))
            start += len(events)
        return found

    def learn(self, start: int, stop: int, places: Places) -> None:
        """Take over where the shots of a lease lie."""
        self._leased.append((start, stop, places))

    def ready(self, start: int, stop: int) -> bool:
        """Whether this rank sees all of these shots.

        Raises
        ------
        DataError
            If it has not for `PATIENCE_S`.
        """
        problem = ""
        for name, events in self._places_of(start, stop):
            file = self._followed.file(Path(name))
            last = max(events)
            if last >= file.shots and last >= file.look(to_the_end=True):
                problem = file.problem or (
                    f"{name}: {file.shots} shots seen here, rank 0 has seen {last + 1}"
                )
        now_s = self._clock.monotonic()
        if not problem:
            self._waiting_s = None
            return True
        self._waiting_s = now_s if self._waiting_s is None else self._waiting_s
        if now_s - self._waiting_s > PATIENCE_S:
            raise DataError(f"{problem}; waited {PATIENCE_S:g} s")
        self._clock.sleep(RETRY_S)
        return False

    def _places_of(self, start: int, stop: int) -> Places:
        lease = self._lease_of(start)
        if lease is None:
            return self.places(start, stop)
        first, _, places = lease
        found: Places = []
        for name, events in places:
            chosen = events[max(start - first, 0) : max(stop - first, 0)]
            if chosen:
                found.append((name, chosen))
            first += len(events)
        return found

    def _lease_of(self, shot: int) -> tuple[int, int, Places] | None:
        fitting = (each for each in reversed(self._leased) if each[0] <= shot < each[1])
        return next(fitting, None)

    def _part_of(self, shot: int) -> tuple[Part, int]:
        lease = self._lease_of(shot)
        if lease is None:
            return super()._part_of(shot)
        first, _, places = lease
        for name, events in places:
            if shot < first + len(events):
                path = Path(name)
                facts = self._followed.facts(path)
                part = Part(path=path, facts=facts, events=np.array(events, np.int64))
                return part, shot - first
            first += len(events)
        raise AssertionError(f"shot {shot} is not in its lease")

    def _columns(
        self, part: Part, events: npt.NDArray[np.int64]
    ) -> tuple[Texts | None, Timestamps | None]:
        file = self._followed.get(part.path)
        return file.texts_of(events), file.times_of(events)

    def _fill(
        self, shots: Shots, target: slice, part: Part, events: npt.NDArray[np.int64]
    ) -> None:
        file = self._followed.file(part.path)
        try:
            super()._fill(shots, target, part, events)
        except HALF_WRITTEN:
            file.check_unchanged()
            raise
        file.check_unchanged()

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1, when their writer lets us.

        Raises
        ------
        DataError
            If it has not for `PATIENCE_S`.
        """
        return until_free(lambda: super(FollowedRun, self).read(start, stop))
