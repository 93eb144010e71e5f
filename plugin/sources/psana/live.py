"""Streams of events, in psana's own process."""

from __future__ import annotations

import itertools
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from specklenn.core.errors import DataError
from specklenn.plugin.sources.psana import opening
from specklenn.plugin.sources.psana.detector import FrameReader
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.messages import Kind, Message, send

NOT_IN_FILES = "its data were not written in time"


def stream_memory(job: Job, link: socket.socket) -> None:
    """Send what a shared memory deals out, for ever.

    psana connects again by itself when its server comes back, and calls it a new run.
    """
    source = opening.plain_source(job, shmem=job.shmem)
    for run in source.runs():
        send(link, Message(kind=Kind.RUN))
        frames = FrameReader(run, job, job.where)
        for event in run.events():
            _send(link, frames, event)
        send(link, Message(kind=Kind.OVER))


def stream_growing_run(job: Job, link: socket.socket) -> None:
    """Send one worker's share of a run that is being written, until it ends.

    Raises
    ------
    DataError
        If it does not grow any more and has no end.
    """
    share = _Share(job.worker, job.workers)
    source, run = _growing_run(job, share)
    send(link, Message(kind=Kind.RUN))
    frames = FrameReader(run, job, job.where)
    try:
        for event in run.events():
            _send_lost(link, share.before(event.timestamp))
            _send(link, frames, event)
    except RuntimeError:
        pass  # of psana, where data are not written in time: they are still waited for
    behind = list(share.before(None))
    _send_lost(link, behind)
    if behind:
        raise DataError(
            f"{job.where}: its data were not written within {job.growth_timeout_s} s "
            "after their index"
        )
    if not _complete(source):
        raise DataError(
            f"{job.where}: nothing was written for {job.growth_timeout_s} s and the "
            f"run has no end; it had {share.seen} events"
        )
    send(link, Message(kind=Kind.OVER))


def _growing_run(job: Job, share: _Share) -> tuple[Any, Any]:
    """Wait for the files of a run; returns psana's source and run."""
    folder = opening.run_folder(job)
    try:
        source = opening.serial_source(
            job, folder, job.exp, job.run, event_filter=share.choose
        )
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: no files of run {job.run} of {job.exp} came, expected "
            f"{job.exp}-r{job.run:04d}-s*-c000.xtc2 and smalldata"
        ) from error
    return source, opening.first_run(source, job.where)


class _Share:
    """Chooses every n-th event of smalldata, and remembers those not seen again."""

    def __init__(self, worker: int, workers: int) -> None:
        self.seen = 0
        self._turns = itertools.cycle(number == worker for number in range(workers))
        self._waiting: deque[int] = deque()

    def choose(self, run: Any) -> Iterator[Any]:
        """Return this worker's events of those that were written since."""
        for event in run.events():
            self.seen += 1
            if next(self._turns):
                self._waiting.append(event.timestamp)
                yield event

    def before(self, stamp: int | None) -> Iterator[int]:
        """Return the events that were skipped before this one; None for all."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting == stamp:
                return
            yield waiting


def _complete(source: Any) -> bool:
    """Whether a run has its end, or its files got their final names."""
    reader = source.smdr_man
    return bool(reader.smdr.found_endrun() or reader.check_transfer_complete())


def _send(link: socket.socket, frames: FrameReader, event: Any) -> None:
    send(link, frames.message(event.timestamp, lambda: event))


def _send_lost(link: socket.socket, stamps: Iterable[int]) -> None:
    for stamp in stamps:
        send(link, Message(kind=Kind.LOST, stamp=stamp, text=NOT_IN_FILES))
