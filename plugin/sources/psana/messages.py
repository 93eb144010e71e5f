"""What psana's own process and a worker say to each other: raw bytes, no pickle."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER = struct.Struct("<B8sIIQQ")
"""Kind, data type, rows, columns, timestamp, bytes that follow."""

REQUEST = struct.Struct("<QQ")
"""First event that a worker wants of a run, and the one behind the last."""


class Kind(IntEnum):
    """What a message says."""

    STARTED = 1
    """psana could be imported."""
    OPENED = 2
    """A run is open; the text says what is in it, JSON."""
    MASK = 3
    """The frame is a mask, 1 where bad."""
    RUN = 4
    """A stream's run begins."""
    SHOT = 5
    """An event with its frame."""
    LOST = 6
    """An event that cannot be read; the text says why."""
    OVER = 7
    """A stream's run has ended."""
    FAILED = 8
    """Nothing more will come; the text is a sentence."""
    MISSING = 9
    """psana is not installed; the text is a sentence."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """One message.

    Parameters
    ----------
    stamp : int
        psana's timestamp of an event.
    frame : (H, W) array or None
    """

    kind: Kind
    stamp: int = 0
    frame: npt.NDArray[Any] | None = None
    text: str = ""


def send(link: socket.socket, message: Message) -> None:
    """Send a message, and wait until there is room for it."""
    frame = message.frame
    if frame is None:
        payload = memoryview(message.text.encode())
        header = HEADER.pack(message.kind, b"", 0, 0, message.stamp, len(payload))
    else:
        frame = np.ascontiguousarray(frame)
        payload = frame.reshape(-1).view(np.uint8).data
        header = HEADER.pack(
            message.kind,
            frame.dtype.str.encode(),
            *frame.shape,
            message.stamp,
            len(payload),
        )
    link.sendall(header)
    link.sendall(payload)


def receive(link: socket.socket) -> Message | None:
    """Wait for a message; None if the other side is gone.

    Raises
    ------
    TimeoutError
        If the socket has a timeout and nothing came within it.
    """
    header = bytearray(HEADER.size)
    if not _fill(link, memoryview(header)):
        return None
    kind, dtype, rows, columns, stamp, size = HEADER.unpack(header)
    payload = np.empty(size, np.uint8)
    if not _fill(link, payload.data):
        return None
    if not dtype.strip(b"\0"):
        text = payload.tobytes().decode()
        return Message(kind=Kind(kind), stamp=stamp, text=text)
    frame = payload.view(dtype.strip(b"\0").decode()).reshape(rows, columns)
    return Message(kind=Kind(kind), stamp=stamp, frame=frame)


def receive_request(link: socket.socket) -> tuple[int, int] | None:
    """Wait for a request; None if the other side is gone."""
    content = bytearray(REQUEST.size)
    if not _fill(link, memoryview(content)):
        return None
    start, stop = REQUEST.unpack(content)
    return start, stop


def _fill(link: socket.socket, room: memoryview) -> bool:
    """Receive exactly as much as there is room for; False if the sender is gone."""
    while len(room):
        try:
            got = link.recv_into(room)
        except TimeoutError:
            raise
        except OSError:  # closed, at the other side or at ours
            return False
        if got == 0:
            return False
        room = room[got:]
    return True
