"""Processes on this machine that train one network together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from specklenn.plugin.parallel.processes import cores, free_port
from specklenn.plugin.say import complain
from specklenn.plugin.signals import on_signals

LAST_WORDS_S = 10.0
"""How long the others may take to end after one has failed."""

PAUSE_S = 0.1


def run_ranks(number: int, command: Sequence[str]) -> int:
    """Run a command of specklenn in several processes; returns its exit code.

    They find each other by the environment variables of torchrun. If one fails, the
    others are ended too; the code is that of the first to fail. Interrupts are
    passed on.

    Parameters
    ----------
    command : sequence of str
        Words behind ``specklenn``.
    """
    processes: list[subprocess.Popen[bytes]] = []
    with on_signals(lambda: _tell(processes, signal.SIGINT)):
        port = free_port()
        for rank in range(number):
            words = [sys.executable, "-m", "specklenn.plugin.cli", *command]
            environment = _environment(rank, number, port)
            processes.append(subprocess.Popen(words, env=environment))
        try:
            return _await(processes)
        finally:
            _tell(processes, signal.SIGKILL)
            for process in processes:
                process.wait()


def _environment(rank: int, number: int, port: int) -> dict[str, str]:
    threads = max(cores() // number, 1)
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "RANK": str(rank),
        "WORLD_SIZE": str(number),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _await(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Return when all have ended, or some time after one has failed."""
    code, deadline = 0, float("inf")
    while any(process.poll() is None for process in processes):
        code = code or _first_failure(processes)
        if code and deadline == float("inf"):
            deadline = time.monotonic() + LAST_WORDS_S
        if time.monotonic() > deadline:
            return code
        time.sleep(PAUSE_S)
    return code or _first_failure(processes)


def _first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Return an exit code that is not 0, if there is one; say it if one was killed."""
    for rank, process in enumerate(processes):
        if process.returncode and process.returncode < 0:
            name = signal.Signals(-process.returncode).name
            complain(f"rank {rank} was killed: {name}")
            return 1
    return next((code for code in (p.returncode for p in processes) if code), 0)


def _tell(processes: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            if process.poll() is None:
                process.send_signal(number)
