"""The headers of the datagrams in an xtc2 file, read without psana.

psana ends silently where a file ends too early, and makes an event of whatever lies in
memory when it is asked for one that is cut off. So what a file really holds is looked
up here first.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("<QIIHHI")
"""Timestamp, environment, source, damage, type, extent."""

BEFORE_EXTENT = 12
"""Bytes of a datagram that its extent does not count: timestamp and environment."""

SMALLEST_EXTENT = HEADER.size - BEFORE_EXTENT

CONFIGURE, END_RUN = 2, 5
EVENTS = (11, 12)
"""Services that are events: L1Accept, and the same at the end of a batch."""

LAST_SERVICE = 12


@dataclass(frozen=True, kw_only=True)
class Datagram:
    """Where a datagram lies in a file.

    Parameters
    ----------
    stamp : int
        Seconds since 1990-01-01 in the upper 32 bits, nanoseconds in the lower.
    service : int
        What it is: an event, or one of the transitions between them.
    offset, size : int
        Bytes.
    """

    stamp: int
    service: int
    offset: int
    size: int

    @property
    def is_event(self) -> bool:
        """Whether it is an event."""
        return self.service in EVENTS


def decode(header: bytes, offset: int = 0) -> Datagram | None:
    """Return the datagram that a header describes; None if it makes no sense.

    Parameters
    ----------
    header : bytes
        The first bytes of the datagram.
    offset : int
        Where they are in the file.
    """
    if len(header) < HEADER.size:
        return None
    stamp, environment, _, _, _, extent = HEADER.unpack_from(header)
    service = (environment >> 24) & 0xF
    if not 0 < service <= LAST_SERVICE or extent < SMALLEST_EXTENT:
        return None
    size = BEFORE_EXTENT + extent
    return Datagram(stamp=stamp, service=service, offset=offset, size=size)


def walk(file: int, offset: int = 0) -> Iterator[Datagram]:
    """Go from header to header until the file ends, or a header makes no sense.

    The last datagram may be cut off.

    Parameters
    ----------
    file : int
        An open file's descriptor.
    offset : int
        Where a datagram begins.
    """
    while True:
        found = decode(os.pread(file, HEADER.size, offset), offset)
        if found is None:
            return
        yield found
        offset += found.size
