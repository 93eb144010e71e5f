"""Runs in xtc2 files, read by psana in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import Shot, Shots, gather
from specklenn.core.errors import DataError
from specklenn.plugin.sources.event_times import unix_ns
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.messages import Kind, Message
from specklenn.plugin.sources.psana.process import PsanaProcess, failure
from specklenn.plugin.sources.psana.unreadable_events import UnreadableEvents

MOST_DEATHS = 8
"""Ends of psana's process during a run; each costs the event that it read."""


class PsanaRun:
    """A run of which any range of events can be read.

    Every event of the index is a shot. What cannot be read comes flagged; an event
    that ends psana's process is one of these, and the process is started again.

    Parameters
    ----------
    show_messages : bool
        Let through to the terminal what psana prints.
    timeout_s : float
        Longest wait for psana.

    Raises
    ------
    DataError
        If it cannot be opened.
    MissingPackageError
        If psana cannot be imported.
    """

    first = 0

    def __init__(self, job: Job, show_messages: bool, timeout_s: float) -> None:
        self._job = job
        self._show_messages = show_messages
        self._timeout_s = timeout_s
        self._mask: npt.NDArray[np.bool_] | None = None
        self._restarts = 0
        facts = self._start()
        rows, columns = facts["shape"]
        self.shape: tuple[int, int] = (rows, columns)
        self.dtype: np.dtype[Any] = np.dtype(facts["dtype"])
        self.modules = int(facts["modules"])
        self.growing = bool(facts["growing"])
        self.notes: tuple[str, ...] = tuple(facts["notes"])
        self._shots = int(facts["shots"])
        self._rows = np.ones(rows, bool)

    def _start(self) -> dict[str, Any]:
        """Start psana and let it open the run; returns what it says of it."""
        self._psana = PsanaProcess(self._job, self._show_messages, self._timeout_s)
        return self._introduction()

    def _introduction(self) -> dict[str, Any]:
        while (message := self._receive()) is not None:
            if message.kind is Kind.OPENED:
                facts: dict[str, Any] = json.loads(message.text)
                return facts
            if message.kind is Kind.MASK and message.frame is not None:
                self._mask = message.frame.astype(bool)
        exit_reason = self._psana.exit_reason()
        self.close()
        raise DataError(
            f"{self._job.where}: {exit_reason} when it was opened; its beginning "
            "may be damaged"
        )

    def __len__(self) -> int:
        return self._shots

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return psana's mask (H, W), True where bad, if it was asked for."""
        return self._mask

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Use some modules only, (modules,) bool; frames are 0 elsewhere."""
        self._rows = np.repeat(needed, self.shape[0] // self.modules)

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1; what cannot be read comes flagged."""
        taken: list[Shot] = []
        unreadable = UnreadableEvents(self._job.where)
        for index, message in enumerate(self._messages(start, stop), start):
            taken.append(_shot(index, message))
            if message.kind is Kind.LOST:
                unreadable.add(index, message.text)
        unreadable.tell()
        shots = gather(taken, self.shape)
        shots.frames[:, ~self._rows] = 0
        return shots

    def _messages(self, start: int, stop: int) -> Iterator[Message]:
        """Return one message for every event, whatever becomes of psana."""
        while start < stop:
            self._psana.ask(start, stop)
            while start < stop and (message := self._receive()) is not None:
                yield message
                start += 1
            if start < stop:
                yield Message(kind=Kind.LOST, text=self._restart())
                start += 1

    def _restart(self) -> str:
        """Start psana again that has ended; returns how it ended."""
        exit_reason = self._psana.exit_reason()
        self.close()
        self._restarts += 1
        if self._restarts > MOST_DEATHS:
            raise DataError(
                f"{self._job.where}: {exit_reason}, {self._restarts} times by now"
            )
        self._start()
        return exit_reason

    def _receive(self) -> Message | None:
        """Return psana's next message; None if it is gone."""
        try:
            message = self._psana.receive()
        except TimeoutError as error:
            self.close()
            raise DataError(
                f"{self._job.where}: psana did not answer within {self._timeout_s:g} s"
            ) from error
        if message is None or message.kind not in (Kind.FAILED, Kind.MISSING):
            return message
        self.close()
        raise failure(message)

    def close(self) -> None:
        """End psana's process."""
        self._psana.kill()


def _shot(index: int, message: Message) -> Shot:
    stamp = np.array([message.stamp], np.uint64)
    return Shot(
        index=index,
        timestamp_ns=int(unix_ns(stamp, "psana")[0]),
        frame=message.frame,
    )
