"""The shots in one message that is a whole HDF5 file, whatever is wrong with it."""

from __future__ import annotations

import importlib
import io
import time
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.frames import as_pictures, picture_shape
from specklenn.core.data.hdf5_file import reason
from specklenn.core.data.shots import Shots, blank_shots
from specklenn.core.flags import Flag
from specklenn.plugin.sources.event_times import TimestampFormat, unix_ns
from specklenn.plugin.sources.lclstreamer.bitshuffle_chunks import damage
from specklenn.plugin.sources.stall_detector import UnusableError

MOST_SHOTS = 65536
"""In a message; a file of a few bytes can claim any number."""

LONGEST_REASON = 300


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are in a message.

    Parameters
    ----------
    frames : str
        Dataset (B, H, W) or (B, modules, H, W).
    timestamps : str or None
        Dataset (B,); None where the time of arrival will do.
    timestamp_format : {"psana", "unix_s", "unix_ns"}
        See `specklenn.plugin.sources.event_times.unix_ns`.
    labels : str or None
        Dataset (B,) of strings.
    largest_bytes : int
        Most that any dataset may take in memory.
    """

    frames: str
    timestamps: str | None = None
    timestamp_format: TimestampFormat = "psana"
    labels: str | None = None
    largest_bytes: int = 10**9


class Message:
    """One message; nothing that it may hold makes this raise.

    The shots of a message that cannot be used are flagged; where not even their
    number is known, the message counts as one.

    Attributes
    ----------
    number : int
        Shots in it.
    shape : (H, W)
        Shape of the frames, (0, 0) where none can be used.
    reason : str
        Why it cannot be used; empty where it can.
    """

    def __init__(self, content: bytes, layout: Layout) -> None:
        self.number = 1
        self.shape = (0, 0)
        self.reason = ""
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._flag = Flag.UNREADABLE
        self._arrived_ns = np.uint64(time.time_ns())
        self._file: h5py.File | None = None
        try:
            self._open(content, layout)
        except UnusableError as error:
            self._refuse(str(error), error.flag)
        except Exception as error:  # damaged HDF5 is refused in very many ways
            self._refuse(reason(error), Flag.UNREADABLE)

    def read(self, start: int, stop: int) -> Shots:
        """Return shots start to stop - 1, counted within the message."""
        shots = blank_shots(start, stop, self.shape, self.dtype)
        shots.timestamp_ns[:] = shots.arrived_ns[:] = self._arrived_ns
        if self.reason:
            shots.flags[:] = self._flag.bits
            return shots
        times = self._times[start:stop]
        shots.timestamp_ns[times > 0] = times[times > 0]
        shots.truth[:] = self._labels[start:stop]
        self._fill(shots, start)
        return shots

    def close(self) -> None:
        """Close the file in memory."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, content: bytes, layout: Layout) -> None:
        if not content:
            raise UnusableError("an empty message")
        importlib.import_module("hdf5plugin")  # registers the filters
        self._file = h5py.File(io.BytesIO(content), "r")
        data = _find(self._file, layout.frames)
        self.number = _number_of(data)
        if data.dtype.kind not in "uif":
            raise UnusableError(
                f"{layout.frames}: data type {data.dtype}, numbers expected"
            )
        if data.ndim not in (3, 4) or data.size == 0:
            raise UnusableError(
                f"{layout.frames}: shape {data.shape}, expected (B, H, W) or "
                "(B, modules, H, W)",
                Flag.WRONG_SHAPE,
            )
        _check_content(data, content, layout)
        self._times = self._read_times(content, layout)
        self._labels = self._read_labels(content, layout)
        self._data = data
        self.dtype = data.dtype
        self.shape = picture_shape(data.shape, data.name)

    def _read_times(self, content: bytes, layout: Layout) -> npt.NDArray[np.uint64]:
        if layout.timestamps is None:
            return np.zeros(self.number, np.uint64)
        stamps = self._read_column(layout.timestamps, content, layout)
        if stamps.dtype.kind not in "uif":
            raise UnusableError(
                f"{layout.timestamps}: data type {stamps.dtype}, numbers expected"
            )
        return unix_ns(stamps, layout.timestamp_format)

    def _read_labels(self, content: bytes, layout: Layout) -> npt.NDArray[np.str_]:
        if layout.labels is None:
            return np.full(self.number, "")
        texts = self._read_column(layout.labels, content, layout)
        if texts.dtype.kind not in "SO":
            raise UnusableError(
                f"{layout.labels}: data type {texts.dtype}, strings expected"
            )
        return np.array([bytes(text).decode("utf-8", "replace") for text in texts])

    def _read_column(
        self, name: str, content: bytes, layout: Layout
    ) -> npt.NDArray[Any]:
        """Read one value for every shot."""
        assert self._file is not None
        data = _find(self._file, name)
        if data.shape[:1] != (self.number,) or data.size != self.number:
            raise UnusableError(
                f"{name}: shape {data.shape} for {self.number} shots, one value for "
                "each expected"
            )
        _check_content(data, content, layout)
        return np.asarray(data[()]).reshape(self.number)

    def _refuse(self, reason: str, flag: Flag) -> None:
        self.close()
        self.reason = reason[:LONGEST_REASON] or "damaged"
        self._flag = flag

    def _fill(self, shots: Shots, start: int) -> None:
        try:
            shots.frames[:] = self._frames(start, start + len(shots))
        except Exception:  # as above; frames are compressed one by one
            self._fill_one_by_one(shots, start)

    def _fill_one_by_one(self, shots: Shots, start: int) -> None:
        """Read frame by frame, so that only damaged ones are lost."""
        for position in range(len(shots)):
            shot = start + position
            try:
                shots.frames[position : position + 1] = self._frames(shot, shot + 1)
            except Exception:
                shots.flags[position] = Flag.UNREADABLE.bits

    def _frames(self, start: int, stop: int) -> npt.NDArray[Any]:
        return as_pictures(np.asarray(self._data[start:stop]))


def _find(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of this very file: links could lead to any file of ours."""
    found: Any = file
    for part in name.strip("/").split("/"):
        inside = isinstance(found, h5py.Group)
        link = found.get(part, getlink=True) if inside else None
        if not isinstance(link, h5py.HardLink):
            raise UnusableError(f"no dataset {name}; datasets found: {_names(file)}")
        found = found[part]
    if not isinstance(found, h5py.Dataset):
        raise UnusableError(f"{name} is no dataset; datasets found: {_names(file)}")
    if found.is_virtual or found.external:
        raise UnusableError(f"{name}: its data are in another file")
    return found


def _names(file: h5py.File) -> str:
    names: list[str] = []

    def note(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset):
            names.append(f"/{name}")
        return True if len(names) == 8 else None

    file.visititems(note)
    return ", ".join(names) or "none"


def _number_of(data: h5py.Dataset) -> int:
    if data.ndim == 0 or not 0 < len(data) <= MOST_SHOTS:
        raise UnusableError(
            f"{data.name}: shape {data.shape}, from 1 to {MOST_SHOTS} shots expected",
            Flag.WRONG_SHAPE,
        )
    return len(data)


def _check_content(data: h5py.Dataset, content: bytes, layout: Layout) -> None:
    """Refuse what would not fit into memory, or would end the process."""
    if data.nbytes > layout.largest_bytes:
        raise UnusableError(
            f"{data.name}: {data.nbytes} bytes unpacked, at most "
            f"{layout.largest_bytes} accepted"
        )
    damaged = damage(data, content)
    if damaged:
        raise UnusableError(f"{data.name}: {damaged}")
