"""psana's own process: reads what a job says and sends it to a worker."""

from __future__ import annotations

import ctypes
import json
import signal
import socket
import sys
from collections import Counter
from typing import Any

import numpy as np

from specklenn.core.errors import DataError, MissingPackageError, SpecklennError
from specklenn.plugin.sources.psana import opening
from specklenn.plugin.sources.psana.index import IndexedRun, open_runs
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.live import stream_growing_run, stream_memory
from specklenn.plugin.sources.psana.messages import (
    Kind,
    Message,
    receive_request,
    send,
)

PARENT_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG."""

LOOKED_AT = 16
"""Events that are read to learn the shape of the frames."""


def main(arguments: list[str]) -> int:
    """Do a job: the arguments are an open socket's number and the job as JSON."""
    _end_with_the_worker()
    link = socket.socket(fileno=int(arguments[0]))
    job = Job.from_json(arguments[1])
    try:
        _serve(link, job)
    except ConnectionError:
        return 0
    except MissingPackageError as error:
        send(link, Message(kind=Kind.MISSING, text=str(error)))
    except SpecklennError as error:
        send(link, Message(kind=Kind.FAILED, text=str(error)))
    except Exception as error:
        send(link, Message(kind=Kind.FAILED, text=sentence(error, job)))
    return 0


def sentence(error: Exception, job: Job) -> str:
    """Say in one sentence what psana could not do.

    Where a file's Configure is damaged, psana stumbles over its own logger.
    """
    if "'Logger' object has no attribute 'exception'" in str(error):
        return (
            f"{job.where}: psana cannot read its beginning, the Configure; it is "
            "damaged or no xtc2 file"
        )
    said = " ".join(str(error).split())
    return f"{job.where}: psana cannot read it: {type(error).__name__}: {said}"


def _end_with_the_worker() -> None:
    """End when the worker ends; ignore SIGINT and SIGTERM, which it handles.

    While psana waits for a shared memory nothing else can be noticed here.
    """
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _serve(link: socket.socket, job: Job) -> None:
    opening.import_psana()
    send(link, Message(kind=Kind.STARTED))
    if job.shmem:
        stream_memory(job, link)
    elif job.live:
        stream_growing_run(job, link)
    else:
        _RunServer(job, link).serve()


class _RunServer:
    """Reads events that are asked for, by their number in one run or several."""

    def __init__(self, job: Job, link: socket.socket) -> None:
        self._link = link
        self._job = job
        self._runs = open_runs(job)
        self._ends = np.cumsum([len(run.stamps) for run in self._runs])
        self._current = self._runs[-1]

    def serve(self) -> None:
        """Say what there is, then answer until nobody asks."""
        self._introduce()
        while (request := receive_request(self._link)) is not None:
            for number in range(*request):
                send(self._link, self._message(number))

    def _introduce(self) -> None:
        total = int(self._ends[-1])
        facts: dict[str, Any] = {
            "shots": total,
            "growing": not all(run.ended for run in self._runs),
            "notes": [note for run in self._runs for note in run.notes],
            **self._look(total),
        }
        send(self._link, Message(kind=Kind.OPENED, text=json.dumps(facts)))

    def _look(self, total: int) -> dict[str, Any]:
        """Return shape, type and modules of most frames, and the mask if wanted."""
        seen: Counter[tuple[tuple[int, ...], str, int]] = Counter()
        masked = not self._job.mask
        numbers = np.unique(np.linspace(0, total - 1, LOOKED_AT).astype(np.int64))
        for number in numbers if total else ():
            message = self._message(int(number))
            if message.frame is None:
                continue
            frame, modules = message.frame, self._current.frames.modules
            seen[frame.shape, frame.dtype.str, modules] += 1
            if not masked:
                self._send_mask(int(number))
                masked = True
        if not seen:
            raise DataError(self._nothing(total))
        shape, dtype, modules = seen.most_common(1)[0][0]
        return {"shape": shape, "dtype": dtype, "modules": modules}

    def _nothing(self, total: int) -> str:
        job = self._job
        why = ""
        if total and job.data != "raw" and job.constants == "none":
            why = ", which may need constants: source.constants is none"
        return (
            f"{job.where}: none of {total} events has a frame of "
            f"{job.detector}.{job.interface}.{job.data}{why}"
        )

    def _send_mask(self, number: int) -> None:
        run, local = self._locate(number)
        mask = run.frames.mask(run.event(local))
        send(self._link, Message(kind=Kind.MASK, frame=mask))

    def _locate(self, number: int) -> tuple[IndexedRun, int]:
        place = int(np.searchsorted(self._ends, number, side="right"))
        run = self._runs[place]
        if run is not self._current:
            run.detector_again()
            self._current = run
        return run, number - int(self._ends[place - 1] if place else 0)

    def _message(self, number: int) -> Message:
        """Return one event, or why there is none."""
        if number >= self._ends[-1]:
            return Message(kind=Kind.LOST, text="it was not written yet")
        run, local = self._locate(number)
        return run.frames.message(run.stamps[local], lambda: run.event(local))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
