"""psana in a process of its own.

Importing psana is a collective of all MPI ranks, waiting for a shared memory holds the
interpreter's lock for as long as it takes, and a damaged file can end the process. In
a child none of it reaches the job: a worker goes on, and starts another child.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping

from specklenn.core.errors import DataError, MissingPackageError, SpecklennError
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.messages import REQUEST, Kind, Message, receive

CHILD = "specklenn.plugin.sources.psana.subprocess_main"

END_PATIENCE_S = 5.0
"""For a child that has closed its socket to end."""


class PsanaProcess:
    """A child that runs psana, and the socket to it.

    Parameters
    ----------
    show_messages : bool
        Let through to the terminal what psana prints.
    timeout_s : float or None
        Longest wait for a message.
    """

    def __init__(
        self, job: Job, show_messages: bool = False, timeout_s: float | None = None
    ) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout_s)
        output = 2 if show_messages else subprocess.DEVNULL
        with theirs:
            self._process = subprocess.Popen(
                command(theirs.fileno(), job),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(os.environ, job),
            )
        self._link = ours
        self._end = weakref.finalize(self, _kill, self._process, ours)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def receive(self) -> Message | None:
        """Wait for a message; None if the child is gone.

        Raises
        ------
        TimeoutError
            If none came within the timeout.
        """
        return receive(self._link)

    def ask(self, start: int, stop: int) -> None:
        """Ask for events number start to stop - 1 of a run."""
        try:
            self._link.sendall(REQUEST.pack(start, stop))
        except ConnectionError:
            pass  # the child has ended; `receive` returns None then

    def exit_reason(self) -> str:
        """Say how a child ended that is gone."""
        try:
            code = self._process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "psana does not end"
        if code < 0:
            return f"psana was ended by {signal.Signals(-code).name}"
        return f"psana ended with exit code {code}"

    def kill(self) -> None:
        """End it at once."""
        self._end()


def failure(message: Message) -> SpecklennError:
    """Return the error of a child that says why nothing more will come."""
    if message.kind is Kind.MISSING:
        return MissingPackageError(message.text)
    return DataError(message.text)


def command(link: int, job: Job) -> list[str]:
    """Return the command line of a child; psana's warnings are not ours."""
    return [sys.executable, "-W", "ignore", "-m", CHILD, str(link), job.to_json()]


def environment(ours: Mapping[str, str], job: Job) -> dict[str, str]:
    """Return the environment of a child: psana without MPI.

    A run that grows is looked at once a second, so the timeout is a number of looks.
    """
    return {
        **ours,
        "PS_PARALLEL": "none",
        "PS_R_MAX_RETRIES": str(job.growth_timeout_s),
        "PS_LIVE_FILE_LIST_STABLE_POLLS": "1",
    }


def _kill(process: subprocess.Popen[bytes], link: socket.socket) -> None:
    # Shut down first: a thread that waits for a message returns.
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the child is gone already
    process.kill()
    process.wait()
    link.close()
