"""Sparse photons as Dragonfly reads them: files that end in ``.emc``.

Little-endian 32-bit integers throughout::

    header        256 values: frames, pixels, type (0: sparse), the rest 0
    ones          one value a frame: how many pixels have one photon
    multi         one value a frame: how many have more
    place_ones    those pixels, frame after frame
    place_multi   those pixels, frame after frame
    count_multi   their photons

A place counts the pixels of a frame row by row from its first one, (H, W) in C order.

References
----------
K. Ayyer et al., J. Appl. Cryst. 49, 1320 (2016), and the readers in Dragonfly's
sources, which know the third value of the header.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError

HEADER_VALUES = 256
SPARSE = 0
VALUE = np.dtype("<i4")
LIMIT = 2**31
"""No value of a file reaches it."""

Values = npt.NDArray[np.int32]


class EmcWriter:
    """Writes frames into a new file, behind each other.

    The places of all frames stand before the first count, so parts are kept in files
    without a name, in the same folder, until `close` joins them. Memory holds two
    numbers a frame.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    pixels : int
        Of a frame.
    """

    def __init__(self, path: Path, pixels: int) -> None:
        self._path = path
        self._pixels = pixels
        self._ones: list[Values] = []
        self._multi: list[Values] = []
        # Without a name: nothing is left where the process is killed.
        self._parts = [tempfile.TemporaryFile(dir=path.parent) for _ in range(3)]

    def append(self, photons: npt.NDArray[np.integer[Any]]) -> None:
        """Write frames behind those that are there.

        Parameters
        ----------
        photons : (B, pixels) integers, 0 or more photons per pixel

        Raises
        ------
        ValueError
            If the shape is another, or a pixel has less than none or too many photons.
        """
        if photons.ndim != 2 or photons.shape[1] != self._pixels:
            raise ValueError(f"shape {photons.shape}, (B, {self._pixels}) expected")
        if photons.size and (photons.min() < 0 or photons.max() >= LIMIT):
            raise ValueError(f"photons per pixel beyond 0 to {LIMIT - 1}")
        one, more = photons == 1, photons > 1
        self._ones.append(one.sum(axis=1, dtype=VALUE))
        self._multi.append(more.sum(axis=1, dtype=VALUE))
        found = (np.nonzero(one)[1], np.nonzero(more)[1], photons[more])
        for part, values in zip(self._parts, found, strict=True):
            part.write(values.astype(VALUE).tobytes())

    def close(self) -> None:
        """Write the file."""
        header = np.zeros(HEADER_VALUES, VALUE)
        header[:3] = sum(map(len, self._ones)), self._pixels, SPARSE
        try:
            with self._path.open("wb") as file:
                for values in (header, *self._ones, *self._multi):
                    file.write(values.tobytes())
                for part in self._parts:
                    part.seek(0)
                    shutil.copyfileobj(part, file)
        finally:
            self.discard()

    def discard(self) -> None:
        """Let go of what was written."""
        for part in self._parts:
            part.close()

    def __enter__(self) -> EmcWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


@dataclass(frozen=True, kw_only=True, eq=False)
class EmcFile:
    """An open file whose lengths fit together; frames are read when asked for.

    Parameters
    ----------
    path : Path
    pixels : int
        Of a frame.
    ones, multi : (N,) int32
        How many pixels of each frame have one photon, and more.
    """

    path: Path
    pixels: int
    ones: Values
    multi: Values

    def __len__(self) -> int:
        return len(self.ones)

    def frame(self, number: int) -> Values:
        """Return one frame.

        Returns
        -------
        (pixels,) int32, photons per pixel

        Raises
        ------
        IndexError
            If there is no such frame.
        DataError
            If a place or a count cannot be.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of {len(self)}")
        places, counts = self._of(number)
        if len(places) and (places.min() < 0 or places.max() >= self.pixels):
            raise DataError(
                f"{self.path}: frame {number} has photons outside its "
                f"{self.pixels} pixels"
            )
        if np.any(counts < 1) or len(np.unique(places)) < len(places):
            raise DataError(
                f"{self.path}: frame {number} has a pixel twice, or one without photons"
            )
        photons = np.zeros(self.pixels, VALUE)
        photons[places] = counts
        return photons

    def _of(self, number: int) -> tuple[Values, Values]:
        """Return the places of a frame's photons, and their counts."""
        ones, multi = int(self.ones[number]), int(self.multi[number])
        total_ones = int(self.ones.sum(dtype=np.int64))
        total_multi = int(self.multi.sum(dtype=np.int64))
        first_one = HEADER_VALUES + 2 * len(self)
        first_multi = first_one + total_ones
        before_multi = int(self.multi[:number].sum(dtype=np.int64))
        with self.path.open("rb") as file:
            before_ones = int(self.ones[:number].sum(dtype=np.int64))
            single = _read(file, first_one + before_ones, ones)
            several = _read(file, first_multi + before_multi, multi)
            counts = _read(file, first_multi + total_multi + before_multi, multi)
        places = np.concatenate([single, several])
        return places, np.concatenate([np.ones(ones, VALUE), counts])


def open_emc(path: Path) -> EmcFile:
    """Open a file of sparse photons and check that its lengths fit together.

    Raises
    ------
    DataError
        If it is missing, no such file, of dense frames, truncated or too long.
    """
    try:
        size = os.stat(path).st_size
        with path.open("rb") as file:
            return _checked(path, file, size)
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _checked(path: Path, file: IO[bytes], size: int) -> EmcFile:
    least = HEADER_VALUES * VALUE.itemsize
    if size < least:
        raise DataError(
            f"{path}: {size} bytes, at least {least} expected of an EMC file"
        )
    header = _read(file, 0, HEADER_VALUES)
    frames, pixels, kind = (int(value) for value in header[:3])
    if frames < 0 or pixels < 1:
        raise DataError(f"{path}: {frames} frames of {pixels} pixels, no EMC file")
    if kind != SPARSE:
        raise DataError(f"{path}: frames of type {kind}, only 0 (sparse) is read")
    shortest = (HEADER_VALUES + 2 * frames) * VALUE.itemsize
    if size < shortest:
        raise DataError(_wrong_size(path, size, f"at least {shortest}", frames))
    ones = _read(file, HEADER_VALUES, frames)
    multi = _read(file, HEADER_VALUES + frames, frames)
    lit = ones.astype(np.int64) + multi
    if frames and (min(ones.min(), multi.min()) < 0 or lit.max() > pixels):
        raise DataError(
            f"{path}: a frame lights less than none or more than all pixels"
        )
    whole = shortest + VALUE.itemsize * int(lit.sum() + multi.sum(dtype=np.int64))
    if size != whole:
        raise DataError(_wrong_size(path, size, str(whole), frames))
    return EmcFile(path=path, pixels=pixels, ones=ones, multi=multi)


def _wrong_size(path: Path, size: int, expected: str, frames: int) -> str:
    return f"{path}: {size} bytes, {expected} expected of {frames} frames"


def _read(file: IO[bytes], first: int, number: int) -> Values:
    file.seek(first * VALUE.itemsize)
    return np.frombuffer(file.read(number * VALUE.itemsize), VALUE)
