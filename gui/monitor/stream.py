"""The newest snapshot of a publisher, or nothing; no Qt.

The socket keeps one message only, so a window that was stopped or slow never
works through old ones. Whatever arrives that is not a snapshot is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import zmq

from specklenn.core.messages import (
    LARGEST_MESSAGE_BYTES,
    MessageError,
    Snapshot,
    decode,
)
from specklenn.core.socket_keys import connect_with, read_keys

REBUILD_AFTER_S = 5.0
LONGEST_SILENCE_S = 60.0
HEARTBEAT_MS = 1_000
HEARTBEAT_TIMEOUT_MS = 3_000
LONGEST_RECONNECT_MS = 500
MOST_AT_ONCE = 8

MOST_CLASSES = 32
LARGEST_COUNT = 2**53
LATEST_NS = 4_102_444_800 * 10**9
"""The year 2100: later stamps are nonsense."""


class SnapshotStream(Protocol):
    """Where the window gets its snapshots from."""

    @property
    def endpoint(self) -> str:
        """Address for people to read."""

    @property
    def bad_messages(self) -> int:
        """Messages that could not be read, since the start."""

    @property
    def last_problem(self) -> str:
        """What was wrong with the last of them, empty while none was."""

    def newest(self) -> Snapshot | None:
        """Newest snapshot since the last call, None if there is no new one."""

    def close(self) -> None:
        """Let go of everything, at once."""


class ZmqStream:
    """Subscriber of a collector's publisher.

    Parameters
    ----------
    endpoint : str
        ZMQ address, for example ``tcp://127.0.0.1:5556``.
    clock : callable
        Seconds, never going back.

    keys : path or None
        Keys of a client, where the run has keys.

    Raises
    ------
    ValueError
        If the address cannot be one, or there are no such keys.
    """

    def __init__(
        self,
        endpoint: str,
        clock: Callable[[], float] = time.monotonic,
        keys: Path | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._keys = None if keys is None else read_keys(keys, "client")
        self.bad_messages = 0
        self.last_problem = ""
        self._clock = clock
        self._heard_s = clock()
        self._patience_s = REBUILD_AFTER_S
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._connected()
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise ValueError(
                f"{endpoint!r} found, tcp://HOST:PORT expected, as tcp://127.0.0.1:5556"
            ) from error

    def newest(self) -> Snapshot | None:
        """Newest snapshot since the last call, None if there is no new one."""
        found = None
        for _ in range(MOST_AT_ONCE):
            message = self._received()
            if message is None:
                break
            found = self._read(message) or found
        if self._clock() - self._heard_s > self._patience_s:
            self._rebuild()
        return found

    def close(self) -> None:
        """Close socket and context without waiting for anybody."""
        self._context.destroy(linger=0)

    def _connected(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.CONFLATE, 1)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE_BYTES)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, LONGEST_RECONNECT_MS)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.setsockopt(zmq.IPV6, self.endpoint.startswith("tcp://["))
        if self._keys is not None:
            connect_with(socket, self._keys)
        socket.connect(self.endpoint)
        return socket

    def _received(self) -> bytes | None:
        try:
            return self._socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def _read(self, message: bytes) -> Snapshot | None:
        self._heard_s = self._clock()
        self._patience_s = REBUILD_AFTER_S
        try:
            snapshot = decode(message)
            check_plausible(snapshot)
        except MessageError as error:
            self.bad_messages += 1
            self.last_problem = str(error)
            return None
        return snapshot

    def _rebuild(self) -> None:
        """Replace a socket that may be stuck; twice as patient the next time."""
        self._socket.close(linger=0)
        self._socket = self._connected()
        self._heard_s = self._clock()
        self._patience_s = min(2 * self._patience_s, LONGEST_SILENCE_S)


def check_plausible(snapshot: Snapshot) -> None:
    """Refuse values that are well formed and cannot be true.

    Raises
    ------
    MessageError
        For stamps after 2100, negative or absurd counts, too many classes or
        two of the same name.
    """
    classes = snapshot.classes
    if len(classes) > MOST_CLASSES or len(set(classes)) != len(classes):
        raise MessageError(
            f"{len(classes)} classes, at most {MOST_CLASSES} different ones expected"
        )
    stamps = [snapshot.wall_ns, *(item.timestamp_ns for item in snapshot.examples)]
    if max(stamps) > LATEST_NS:
        raise MessageError("a time stamp after the year 2100")
    for name in ("counts", "history_counts", "latency_counts"):
        values = getattr(snapshot, name)
        if np.any((values < 0) | (values > LARGEST_COUNT)):
            raise MessageError(f"negative or absurd numbers in {name}")
