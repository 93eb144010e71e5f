"""Worker processes on this machine, and the channel to them: raw bytes over pipes."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from specklenn.plugin.parallel.block_pool import Work, send_failure, work_for_leader
from specklenn.plugin.parallel.channel import COLLECTOR, Kind, Message
from specklenn.plugin.parallel.clock import SystemClock


class PipeChannel:
    """A channel over pipes.

    Parameters
    ----------
    pipes : dict of rank to Connection
        Those we can talk to.
    """

    unsent = 0

    def __init__(self, rank: int, pipes: dict[int, Connection[Any, Any]]) -> None:
        self.rank = rank
        self._pipes = dict(pipes)
        self._arrived: deque[Message] = deque()

    def send(self, rank: int, kind: Kind, payload: bytes = b"") -> None:
        """Send; waits while the pipe is full. A process that died takes nothing."""
        try:
            self._pipes[rank].send_bytes(bytes([kind]) + payload)
        except (BrokenPipeError, ConnectionResetError, KeyError):
            return

    def receive(self) -> Message | None:
        """Return the next message, or None; one of kind FAILED for a dead process."""
        if not self._arrived:
            self._arrived.extend(map(self._read, self._ready()))
        return self._arrived.popleft() if self._arrived else None

    def flush(self) -> None:
        """Nothing to wait for: what was sent is in the pipe."""

    def _ready(self) -> list[int]:
        ranks = {id(pipe): rank for rank, pipe in self._pipes.items()}
        found = wait(list(self._pipes.values()), timeout=0)
        return [ranks[id(pipe)] for pipe in found]

    def _read(self, rank: int) -> Message:
        try:
            text = self._pipes[rank].recv_bytes()
        except (EOFError, ConnectionResetError):
            del self._pipes[rank]
            return Message(Kind.FAILED, rank, b"the process died")
        return Message(Kind(text[0]), rank, text[1:])


@contextmanager
def worker_processes(number: int, maker: str, text: str) -> Iterator[PipeChannel]:
    """Give a channel to processes of ranks 1 to `number`, which end with the block.

    Parameters
    ----------
    maker : str
        ``module:function`` that makes the work from a text, in every process.
    """
    # Spawned, not forked: threads of numerical libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    pipes: dict[int, Connection[Any, Any]] = {}
    resource_tracker.ensure_running()  # which would unblock the signal
    with _interrupts_blocked():
        for rank in range(1, number + 1):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, rank, maker, text), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
            pipes[rank] = ours
    try:
        yield PipeChannel(COLLECTOR, pipes)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join(timeout=5)


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes with SIGINT blocked: Ctrl-C is for the leader to deal with.

    They inherit the signal mask of this thread. In other threads of the leader an
    interrupt may still arrive; it is raised again at the end.
    """
    waiting: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: waiting.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if waiting:
        signal.raise_signal(signal.SIGINT)


def _serve(pipe: Connection[Any, Any], rank: int, maker: str, text: str) -> None:
    """Work until told to stop."""
    module, _, function = maker.partition(":")
    channel = PipeChannel(rank, {COLLECTOR: pipe})
    try:
        work: Work = getattr(importlib.import_module(module), function)(text)
    except Exception as error:
        send_failure(channel, error)
        return
    work_for_leader(channel, work, SystemClock())
