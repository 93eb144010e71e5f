"""Streams of events, read by psana in a process of its own."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import numpy as np

from specklenn.core.data.shots import Shot, Shots, gather
from specklenn.core.data.sources import Share
from specklenn.core.errors import DataError, EndOfRun
from specklenn.plugin.parallel.clock import Clock
from specklenn.plugin.sources.event_times import unix_ns
from specklenn.plugin.sources.psana.event_buffer import EVENTS, EventBuffer
from specklenn.plugin.sources.psana.messages import Kind, Message
from specklenn.plugin.sources.psana.process import PsanaProcess, failure
from specklenn.plugin.sources.psana.settings import PsanaSettings
from specklenn.plugin.sources.psana.unreadable_events import UnreadableEvents
from specklenn.plugin.sources.stall_detector import StallDetector

log = logging.getLogger(__name__)

REMEMBERED = 4096
"""Timestamps by which an event that comes twice is known."""

LONGEST_PATIENCE_S = 160.0
"""Between two starts of psana in a long silence."""

MOST_DEATHS = 8
"""Ends of psana's process in a row, without an event between them."""


class PsanaStream:
    """One worker's share of a stream.

    The k-th event that worker w of n takes has the number w + k n. Events that come
    twice are dropped.
    """

    def __init__(
        self,
        start_psana: Callable[[], PsanaProcess],
        settings: PsanaSettings,
        share: Share,
        clock: Clock,
    ) -> None:
        self._start_psana = start_psana
        self._settings = settings
        self._share = share
        self._clock = clock
        self._where = settings.job().where
        self._end_with_run = settings.live or settings.end_with_run
        self._stall_detector = StallDetector(
            self._where, settings.trouble_after_s, clock
        )
        self._duplicates = DuplicateFilter(REMEMBERED)
        self._unreadable = UnreadableEvents(self._where)
        self._waiting: deque[Message] = deque()
        self._taken = 0
        self._lost = 0
        self._restarts = 0
        self._shape = (1, 1)
        self._patience_s = settings.restart_after_s
        self._join()

    @property
    def missed(self) -> int:
        """Events that came faster than they were taken."""
        return self._lost + self._events.lost

    @property
    def stall_reason(self) -> str:
        """What keeps events from coming."""
        return self._stall_detector.stall_reason

    def start(self, start_ns: int) -> None:
        """Begin; events that are here already are taken too."""
        self._stall_detector.restart()

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return up to `most` shots with frames of one shape, or None.

        Raises
        ------
        EndOfRun
            If the run is over, or the silence is taken for it.
        DataError, MissingPackageError
            If psana cannot go on.
        """
        if not self._waiting:
            self._waiting.extend(self._events.take(most, timeout_s))
        shots: list[Shot] = []
        self._unreadable = UnreadableEvents(self._where)
        while self._waiting and len(shots) < most:
            message = self._waiting[0]
            if message.kind in EVENTS and not self._fits(message, shots):
                break
            if message.kind not in EVENTS and shots:
                break
            self._waiting.popleft()
            self._handle(message, shots)
        self._unreadable.tell()
        if shots:
            return gather(shots, self._shape)
        if not self._waiting:
            self._mind_silence()
        return None

    def close(self) -> None:
        """End psana's process."""
        self._psana.kill()
        self._events.close()

    def _join(self) -> None:
        self._psana = self._start_psana()
        self._events = EventBuffer(
            self._psana.receive,
            self._settings.buffer_shots,
            lossless=self._settings.live,
        )
        self._started = False
        self._restart_s = self._clock.monotonic() + self._settings.timeout_s

    def _fits(self, message: Message, shots: list[Shot]) -> bool:
        """Whether a frame has the shape of those before it; without them any fits."""
        if message.frame is None:
            return True
        if not any(shot.frame is not None for shot in shots):
            rows, columns = message.frame.shape
            self._shape = (rows, columns)
        return message.frame.shape == self._shape

    def _handle(self, message: Message, shots: list[Shot]) -> None:
        if message.kind in EVENTS:
            self._take(message, shots)
        elif message.kind is Kind.STARTED:
            self._started = True
            self._be_patient()
        elif message.kind is Kind.RUN:
            self._duplicates.forget()
        elif message.kind is Kind.OVER and self._end_with_run:
            raise EndOfRun
        elif message.kind in (Kind.FAILED, Kind.MISSING):
            raise failure(message)

    def _take(self, message: Message, shots: list[Shot]) -> None:
        self._stall_detector.heard(1)
        self._restarts = 0
        self._patience_s = self._settings.restart_after_s
        self._be_patient()
        if not self._duplicates.is_new(message.stamp):
            return
        shot = Shot(
            index=self._share.worker + self._share.workers * self._taken,
            timestamp_ns=int(unix_ns(np.array([message.stamp], np.uint64), "psana")[0]),
            frame=message.frame,
        )
        self._taken += 1
        if message.kind is Kind.LOST:
            self._unreadable.add(shot.index, message.text)
        shots.append(shot)

    def _be_patient(self) -> None:
        self._restart_s = self._clock.monotonic() + self._patience_s

    def _mind_silence(self) -> None:
        """Start psana again that is gone or silent for too long, or end."""
        if not self._settings.live:
            self._stall_detector.end_if_silent(self._settings.idle_end_s)
        if self._events.ended:
            self._restart(self._psana.exit_reason())
        elif self._clock.monotonic() > self._restart_s:
            self._start_again()

    def _restart(self, exit_reason: str) -> None:
        self._restarts += 1
        if self._settings.live or self._restarts > MOST_DEATHS:
            raise DataError(f"{self._where}: {exit_reason}")
        log.warning("%s: %s; it is started again", self._where, exit_reason)
        self._renew()

    def _start_again(self) -> None:
        """Psana connects again by itself, unless it waits for what is gone for good."""
        if not self._started:
            raise DataError(
                f"{self._where}: psana could not be imported within "
                f"{self._settings.timeout_s:g} s"
            )
        if self._settings.live:
            return
        self._patience_s = min(2 * self._patience_s, LONGEST_PATIENCE_S)
        self._renew()

    def _renew(self) -> None:
        self._psana.kill()
        self._events.close()
        self._lost += self._events.lost
        self._waiting.extend(self._events.take(self._settings.buffer_shots, 0.0))
        self._join()


class DuplicateFilter:
    """Knows the last timestamps, so that none is taken twice.

    Parameters
    ----------
    most : int
        How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[int, None] = {}

    def is_new(self, stamp: int) -> bool:
        """Whether a timestamp is not among the last ones; it is from now on."""
        if stamp in self._known:
            return False
        self._known[stamp] = None
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return True

    def forget(self) -> None:
        """Take any timestamp for new: another run begins."""
        self._known.clear()
