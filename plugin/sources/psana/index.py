"""Runs of which any event can be read, in psana's own process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from specklenn.core.errors import DataError
from specklenn.plugin.sources.psana import opening, xtc2
from specklenn.plugin.sources.psana.detector import FrameReader
from specklenn.plugin.sources.psana.job import Job

NAME = re.compile(r"(?P<exp>.+)-r(?P<run>\d+)-s\d+-c\d+\.xtc2")
"""Names of xtc2 files are not free: experiment, run, stream, chunk."""

Places = dict[int, tuple[int, int]]
"""Offset and size of an event in the files of streams."""


class IndexedRun:
    """One run with the place of every event, as its index and its files have them.

    Parameters
    ----------
    source, run : psana's source and run
    where : str
        For people.
    index : dict, optional
        Places by timestamp; found in the files themselves if there is none.
    """

    def __init__(
        self,
        source: Any,
        run: Any,
        job: Job,
        where: str,
        index: dict[int, Places] | None = None,
    ) -> None:
        self._source = source  # closes its files when it is deallocated
        self._run = run
        self._job = job
        self.where = where
        self.frames = FrameReader(run, job, where)
        self._files = [int(file) for file in run.dm.fds]
        self._sizes = [os.fstat(file).st_size for file in self._files]
        self._streams = [
            stream
            for stream, config in enumerate(run.configs)
            if hasattr(config.software, job.detector)
        ]
        self.indexed = index is not None
        self._index = self._ours(index or {})
        self.known = len(self._index)
        self.ended = self._add_what_is_not_indexed()
        self.stamps = sorted(self._index)

    def _ours(self, index: dict[int, Places]) -> dict[int, Places]:
        """Keep the events that one of the detector's streams takes part in."""
        kept = {
            stamp: {s: places[s] for s in self._streams if s in places}
            for stamp, places in index.items()
        }
        return {stamp: places for stamp, places in kept.items() if places}

    def _add_what_is_not_indexed(self) -> bool:
        """Look behind the last event of every stream; True if the run ends there."""
        ended = True
        for stream in self._streams:
            places = [p[stream] for p in self._index.values() if stream in p]
            found = xtc2.walk(self._files[stream], max(map(sum, places), default=0))
            ended &= self._add(stream, found)
        return ended

    def _add(self, stream: int, found: Iterable[xtc2.Datagram]) -> bool:
        ended = False
        for datagram in found:
            place = (datagram.offset, datagram.size)
            if datagram.is_event:
                self._index.setdefault(datagram.stamp, {})[stream] = place
            ended |= datagram.service == xtc2.END_RUN
        return ended

    @property
    def readable(self) -> int:
        """Events of which something lies in the files."""
        return sum(
            any(self._whole(*item) for item in places.items())
            for places in self._index.values()
        )

    def _whole(self, stream: int, place: tuple[int, int]) -> bool:
        return sum(place) <= self._sizes[stream]

    def detector_again(self) -> None:
        """Take the detector back: psana keeps one for all runs of a process."""
        self.frames = FrameReader(self._run, self._job, self.where)

    def event(self, number: int) -> Any:
        """Return psana's event.

        Raises
        ------
        DataError
            If it is not in the files, or not what the index says.
        """
        from psana.event import Event

        stamp = self.stamps[number]
        datagrams = [None] * len(self._files)
        for stream, place in self._index[stamp].items():
            if self._whole(stream, place):
                datagrams[stream] = self._datagram(stream, stamp, *place)
        if not any(datagrams):
            raise DataError("its file ends before it")
        return Event(dgrams=datagrams, run=self._run._run_ctx)

    def _datagram(self, stream: int, stamp: int, offset: int, size: int) -> Any:
        from psana import dgram

        content = os.pread(self._files[stream], size, offset)
        found = xtc2.decode(content, offset)
        if found is None or (found.stamp, found.size) != (stamp, size):
            raise DataError("its datagram is damaged")
        return dgram.Dgram(config=self._run.dm.configs[stream], view=content)

    @property
    def notes(self) -> list[str]:
        """What a person must know of the files, sentences."""
        total, readable = len(self.stamps), self.readable
        notes = []
        if self.indexed and self.known < total:
            notes.append(
                f"{self.where}: its index ends after {self.known} of {total} events; "
                "the others were found in the data"
            )
        if readable < total:
            notes.append(
                f"{self.where}: {readable} of {total} events could be read, the data "
                "end too early"
            )
        elif not self.indexed and not self.ended:
            notes.append(
                f"{self.where}: it has no index and no end of the run; events may be "
                f"missing behind the {total} that were found"
            )
        return notes


def open_runs(job: Job) -> list[IndexedRun]:
    """Open what a job names.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    if not job.files:
        return [_open_run(job)]
    groups: dict[tuple[str, str, int] | str, list[str]] = {}
    for name in job.files:
        groups.setdefault(_run_with_index(name) or name, []).append(name)
    return [_open_group(job, key, names) for key, names in groups.items()]


def check_beginning(name: str) -> None:
    """See whether a file begins with a whole Configure, which psana takes for granted.

    Raises
    ------
    DataError
        If it does not.
    """
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = next(xtc2.walk(file.fileno()), None)
    if first is None or first.service != xtc2.CONFIGURE or first.size > size:
        raise DataError(
            f"{name}: it does not begin with a whole Configure; it is damaged or no "
            "xtc2 file"
        )


def _open_run(job: Job) -> IndexedRun:
    folder = opening.run_folder(job)
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: no such folder")
    small = opening.small_files(folder, job.exp, job.run)
    if not small:
        raise DataError(
            f"{folder}: no smalldata of run {job.run} of {job.exp}, expected "
            f"smalldata/{job.exp}-r{job.run:04d}-s*.smd.xtc2; xtc2 files found: "
            f"{_xtc2_files(folder)}"
        )
    return _with_index(job, folder, job.exp, job.run, small, job.where)


def _open_group(
    job: Job, key: tuple[str, str, int] | str, names: list[str]
) -> IndexedRun:
    for name in names:
        if not Path(name).is_file():
            raise DataError(f"{name}: no such file")
    if not isinstance(key, str):
        small = [str(_small_file(name)) for name in names]
        return _with_index(job, *key, small, ", ".join(names))
    check_beginning(key)
    source = opening.plain_source(job, files=key)
    return IndexedRun(source, opening.first_run(source, key), job, key)


def _with_index(
    job: Job, folder: str, exp: str, run: int, small: list[str], where: str
) -> IndexedRun:
    _check_chunks(folder, exp, run)
    for name in small:
        check_beginning(name)
    source = opening.serial_source(job, folder, exp, run, small)
    found = opening.first_run(source, where)
    with found.build_table():
        index: dict[int, Places] = dict(found._ts_table)
    return IndexedRun(source, found, job, where, index)


def _check_chunks(folder: str, exp: str, run: int) -> None:
    """Refuse runs in several chunks: psana's index does not say which one."""
    later = list(Path(folder).glob(f"{exp}-r{run:04d}-s*-c001.xtc2*"))
    if later:
        raise DataError(
            f"{later[0]}: a run in several chunks cannot be read in any order; "
            "expected source.live: true, which reads it from the beginning"
        )


def _run_with_index(name: str) -> tuple[str, str, int] | None:
    """Return folder, experiment and run of a file that has smalldata beside it."""
    found = NAME.fullmatch(Path(name).name)
    if found is None or not _small_file(name).is_file():
        return None
    return str(Path(name).parent), found["exp"], int(found["run"])


def _small_file(name: str) -> Path:
    path = Path(name)
    return path.parent / "smalldata" / f"{path.stem}.smd.xtc2"


def _xtc2_files(folder: str) -> str:
    names = sorted(path.name for path in Path(folder).glob("*.xtc2"))
    return ", ".join(names[:6]) or "none"
