"""Texts and times of the shots, in the forms that programs write them in.

A column of them may be (N,) or (N, 1). Texts are HDF5 strings of any kind, in UTF-8
whatever their tag says, or the names of an enumeration. Times are told apart by their
type and size, since few files say what they are:

=========================  ======================================================
integers                   nanoseconds, unless they are a date in s, ms or us
floating point             a date in s, ms, us or ns
pairs, (N, 2) or compound  seconds and nanoseconds
strings                    ISO 8601, UTC where no zone is named
=========================  ======================================================

A time that is 0, NaN or empty is not known, and becomes 0.
"""

from __future__ import annotations

import re
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import read_values, title
from specklenn.core.errors import DataError

Texts = npt.NDArray[np.str_]
Timestamps = npt.NDArray[np.uint64]

NS_PER_S = 10**9
UNITS_NS = {"s": NS_PER_S, "ms": 10**6, "us": 1000, "ns": 1}

EARLIEST_S, LATEST_S = 631_152_000, 4_102_444_800
"""From 1990 to 2100: a number in one unit is never a date of these in another."""

ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9})\d*)?"
    r" ?(?:Z|UTC|([+-])(\d\d):?(\d\d))?"
)

KNOWN_TIMES = (
    "Unix times in seconds or nanoseconds, pairs of seconds and nanoseconds, or ISO "
    "8601 expected"
)


def read_texts(column: h5py.Dataset, shots: int | slice) -> Texts:
    """Read the texts of some shots, or of the first so many, (shots,) str.

    Raises
    ------
    DataError
        If the column holds anything else, or cannot be read.
    """
    names = h5py.check_enum_dtype(column.dtype)
    if names is None and h5py.check_string_dtype(column.dtype) is None:
        raise DataError(f"{title(column)}: data type {column.dtype}, strings expected")
    values = _one_each(column, shots)
    if names is None:
        return _decoded(column, values)
    by_value = {value: name for name, value in names.items()}
    try:
        return np.array([by_value[value] for value in values.tolist()], np.str_)
    except KeyError as error:
        raise DataError(
            f"{title(column)}: value {error} found, which its enumeration does not name"
        ) from error


def read_times(column: h5py.Dataset, shots: int | slice) -> Timestamps:
    """Read the times of some shots, or of the first so many; ns, Unix epoch.

    Returns
    -------
    (shots,) uint64

    Raises
    ------
    DataError
        If the column holds no times, or cannot be read.
    """
    if h5py.check_string_dtype(column.dtype) is not None:
        texts = _decoded(column, _one_each(column, shots))
        return np.array([_time_of_text(column, text) for text in texts], np.uint64)
    fields = column.dtype.names or ()
    if len(fields) == 2:
        whole = _one_each(column, shots)
        values = np.stack([whole[name] for name in fields], axis=-1)
    elif column.shape[1:] == (2,):
        values = read_values(column, _rows(shots))
    else:
        values = _one_each(column, shots)
    if values.dtype.kind not in "uif":
        raise DataError(
            f"{title(column)}: data type {column.dtype} found; {KNOWN_TIMES}"
        )
    if values.dtype.kind == "f":  # dates do not fit into half precision
        values = values.astype(np.result_type(values, np.float64))
    if values.shape[1:] == (2,):
        return _time_of_pairs(column, values)
    return _time_of_numbers(column, values)


def _rows(shots: int | slice) -> slice:
    return shots if isinstance(shots, slice) else slice(shots)


def _one_each(column: h5py.Dataset, shots: int | slice) -> npt.NDArray[Any]:
    if column.shape[1:] not in ((), (1,)):
        raise DataError(
            f"{title(column)}: shape {column.shape}, ({len(column)},) expected"
        )
    values = read_values(column, _rows(shots))
    return values.reshape(len(values))


def _decoded(column: h5py.Dataset, values: npt.NDArray[Any]) -> Texts:
    """Return bytes as texts, without the blanks that some programs fill up with."""
    try:
        texts = [bytes(value).decode().rstrip("\0 ") for value in values.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{title(column)}: UTF-8 expected, {error}") from error
    return np.array(texts, np.str_)


def _time_of_text(column: h5py.Dataset, text: str) -> int:
    if not text:
        return 0
    found = ISO_8601.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        date, clock, fraction, sign, hours, minutes = found.groups()
        seconds = int(np.datetime64(f"{date}T{clock}", "s").astype(np.int64))
        if sign:
            ahead = 3600 * int(hours) + 60 * int(minutes)
            seconds -= ahead if sign == "+" else -ahead
        if not 0 <= seconds < 2**63 // NS_PER_S:
            raise ValueError(text)
    except ValueError:
        raise DataError(
            f"{title(column)}: {text[:40]!r} found; {KNOWN_TIMES}"
        ) from None
    return seconds * NS_PER_S + int((fraction or "0").ljust(9, "0"))


def _time_of_pairs(column: h5py.Dataset, pairs: npt.NDArray[Any]) -> Timestamps:
    known = np.where(np.isfinite(pairs).all(axis=1, keepdims=True), pairs, 0)
    seconds, ns = known.T
    dates = (seconds == 0) | ((seconds >= EARLIEST_S) & (seconds < LATEST_S))
    whole = (np.floor(seconds) == seconds) & (ns >= 0) & (ns < NS_PER_S)
    if not (dates & whole).all():
        raise DataError(f"{title(column)}: two numbers a shot found; {KNOWN_TIMES}")
    whole_ns = seconds.astype(np.uint64) * np.uint64(NS_PER_S)
    times: Timestamps = whole_ns + ns.astype(np.uint64)
    return times


def _time_of_numbers(column: h5py.Dataset, values: npt.NDArray[Any]) -> Timestamps:
    known = np.isfinite(values) & (values != 0)
    if not known.any():
        if len(values) and not np.isfinite(values).any():
            raise DataError(f"{title(column)}: no time is a number; {KNOWN_TIMES}")
        return np.zeros(len(values), np.uint64)
    lowest, highest = values[known].min(), values[known].max()
    for factor in UNITS_NS.values():
        per_s = NS_PER_S // factor
        if EARLIEST_S * per_s <= lowest and highest < LATEST_S * per_s:
            return _in_ns(np.where(known, values, 0), factor)
    if values.dtype.kind == "f" or lowest < 0:
        raise DataError(
            f"{title(column)}: {lowest} to {highest} found, which is no date; "
            f"{KNOWN_TIMES}"
        )
    return values.astype(np.uint64)


def _in_ns(values: npt.NDArray[Any], factor: int) -> Timestamps:
    """Return numbers in another unit as nanoseconds; whole ones stay exact."""
    whole = np.floor(values)
    rest = np.rint((values - whole) * factor).astype(np.uint64)
    times: Timestamps = whole.astype(np.uint64) * np.uint64(factor) + rest
    return times
