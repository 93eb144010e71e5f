"""Arrays in msgpack messages: data type, shape and the raw bytes, little-endian.

Hooks for msgspec. A field annotated ``npt.NDArray[np.int64]`` takes that data type
and no other; ``npt.NDArray[Any]`` takes every kind of real number.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, get_args

import msgspec
import numpy as np
import numpy.typing as npt

LARGEST_SIDE = 100_000
MOST_DIMENSIONS = 4

Side = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SIDE)]
Shape = Annotated[tuple[Side, ...], msgspec.Meta(max_length=MOST_DIMENSIONS)]
RealNumber = Annotated[str, msgspec.Meta(pattern=r"^[|<][uif][1248]$")]


class PackedArray(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array as it is sent.

    Parameters
    ----------
    dtype : str
        NumPy's name of the data type, ``<f4`` say; real numbers only.
    shape : tuple of int
    data : bytes
        The elements, row-major.
    """

    dtype: RealNumber
    shape: Shape
    data: bytes


def to_message(value: Any) -> Any:
    """Return an array or a NumPy number as msgspec can encode it.

    Raises
    ------
    NotImplementedError
        If it is neither.
    """
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"a {type(value).__name__} does not travel")
    little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    return PackedArray(little.dtype.str, value.shape, little.tobytes())


def from_message(kind: Any, body: Any) -> npt.NDArray[Any]:
    """Return the array of a message, see `unpack_array`.

    Parameters
    ----------
    kind : type
        Annotation of the field, ``npt.NDArray[...]``.
    body : object
        What was decoded so far.
    """
    return unpack_array(element_type(kind), body)


def unpack_array(expected: Any, body: Any) -> npt.NDArray[Any]:
    """Return the array of a message as a read-only view of its bytes.

    Parameters
    ----------
    expected : data type or Any
    body : object
        What was decoded so far.

    Raises
    ------
    ValueError
        If it is no array of this type, or its bytes are too few or too many.
    """
    packed = msgspec.convert(body, PackedArray)
    dtype = np.dtype(packed.dtype)
    if expected is not Any and dtype != expected:
        raise ValueError(
            f"array of data type {dtype.str!r}, {np.dtype(expected).str!r} expected"
        )
    size = math.prod(packed.shape) * dtype.itemsize
    if len(packed.data) != size:
        raise ValueError(f"array of {len(packed.data)} bytes, {size} expected")
    return np.frombuffer(packed.data, dtype).reshape(packed.shape)


def element_type(kind: Any) -> Any:
    """Return the data type in an annotation ``npt.NDArray[...]``, which may be Any.

    As msgspec passes annotations on: with the class in place of NumPy's alias.
    """
    (found,) = get_args(get_args(kind)[1])
    return found
