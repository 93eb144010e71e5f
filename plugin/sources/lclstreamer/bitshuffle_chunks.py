"""Whether bitshuffled chunks of an HDF5 file can be unpacked without harm.

HDF5's filter takes what a chunk says of its own lengths for granted: damaged bytes
there end the process instead of raising an error.
"""

from __future__ import annotations

import math
import struct

import h5py

FILTER = 32008
WITH_LENGTHS = (2, 3)
"""Of the compressions that can follow: LZ4 and Zstandard."""

HEADER = struct.Struct(">QI")
"""Bytes unpacked, bytes of a block unpacked."""

LENGTH = struct.Struct(">I")
"""Before each block: its bytes."""

AT_ONCE = 8
"""Elements that are shuffled together; what is left over is stored as it is."""


def damage(data: h5py.Dataset, content: bytes) -> str:
    """Return what is wrong with the chunks of a dataset; empty if nothing is.

    Parameters
    ----------
    content : bytes
        The whole file.
    """
    element = _shuffled_element(data)
    if element is None or data.chunks is None:
        return ""
    if element != data.dtype.itemsize:
        return f"shuffled by {element} bytes, elements have {data.dtype.itemsize}"
    unpacked = math.prod(data.chunks) * element
    for number in range(data.id.get_num_chunks()):
        info = data.id.get_chunk_info(number)
        chunk = content[info.byte_offset : info.byte_offset + info.size]
        if info.filter_mask:
            whole = len(chunk) == unpacked  # stored as it is
        else:
            whole = _adds_up(chunk, unpacked, element)
        if not whole:
            return f"chunk {number} is damaged"
    return ""


def _shuffled_element(data: h5py.Dataset) -> int | None:
    """Return the bytes of an element if chunks hold lengths of blocks."""
    properties = data.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, values, _ = properties.get_filter(number)
        if code == FILTER and len(values) > 4 and values[4] in WITH_LENGTHS:
            return int(values[2])
    return None


def _adds_up(chunk: bytes, unpacked: int, element: int) -> bool:
    """Whether a chunk's lengths agree with its own and that of its content."""
    if len(chunk) < HEADER.size:
        return False
    total: int
    block: int
    total, block = HEADER.unpack_from(chunk)
    together = AT_ONCE * element
    if total != unpacked or block == 0 or block % together:
        return False
    blocks = total // block + (total % block >= together)
    position = HEADER.size
    for _ in range(blocks):
        if position + LENGTH.size > len(chunk):
            return False
        position += LENGTH.size + int(LENGTH.unpack_from(chunk, position)[0])
    return position + total % together <= len(chunk)
