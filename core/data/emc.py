"""Frames as sparse photons, as Dragonfly reads them: files that end in ``.emc``.

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

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.atomic import replacing
from specklenn.core.data.frames import Frames
from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.errors import DataError
from specklenn.core.labels import SINGLE_HIT

HEADER_VALUES = 256
SPARSE = 0
VALUE = np.dtype("<i4")
LIMIT = 2**31
"""No value of a file reaches it."""

VALUES_AT_ONCE = 2**20
"""Pixels that are read at once, at least one frame."""


class EmcWriter:
    """Writes frames into a new file, behind each other.

    A context manager: the places of all frames stand before the first count, so parts
    are kept in files without a name, in the same folder, until they are joined at its
    end. After an error no file is made. Memory holds two numbers a frame.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    pixels : int
        Pixels of a frame.
    """

    def __init__(self, path: Path, pixels: int) -> None:
        self._path = path
        self._pixels = pixels
        self._ones: list[npt.NDArray[np.int32]] = []
        self._multi: list[npt.NDArray[np.int32]] = []
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

    def __enter__(self) -> EmcWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self._join()
        finally:
            for part in self._parts:
                part.close()

    def _join(self) -> None:
        header = np.zeros(HEADER_VALUES, VALUE)
        header[:3] = sum(map(len, self._ones)), self._pixels, SPARSE
        with self._path.open("wb") as file:
            for values in (header, *self._ones, *self._multi):
                file.write(values.tobytes())
            for part in self._parts:
                part.seek(0)
                shutil.copyfileobj(part, file)


@dataclass(frozen=True, kw_only=True)
class EmcSummary:
    """What was written.

    Parameters
    ----------
    frames : int
        0 where none is of the wanted classes; then there is no file.
    of : int
        Frames in the dataset.
    pixels : int
        Pixels of a frame.
    labels : tuple of str
        Those in the dataset; none where it has no labels and all frames were taken.
    left_out : tuple of str
        A sentence about each frame of the wanted classes that no EMC file can hold.
    """

    frames: int
    of: int
    pixels: int
    labels: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What a person must know of the file, a sentence; empty if nothing."""
        if not self.left_out:
            return ""
        number = len(self.left_out)
        wanted = self.frames + number
        return f"{number} of {wanted} frames left out; the first: {self.left_out[0]}"


def hits_to_emc(
    source: Path, target: Path, classes: Sequence[str] = (SINGLE_HIT,)
) -> EmcSummary:
    """Write the frames of some classes as sparse photons.

    Frames are taken as photons per pixel, as ``hits.cxi`` holds them, and are not
    calibrated. Photons are rounded and never negative; masked pixels have none.
    Modules are stacked and pixels counted row by row, as everywhere in specklenn. A
    file that is being written, or whose writer was killed, is taken as far as it goes.
    A frame that cannot be read, or has a good pixel that is no number or beyond what an
    EMC file holds, is left out and counted.

    Parameters
    ----------
    source : Path
        Labelled dataset; one without labels gives all of its frames.
    target : Path
        Replaced as a whole, or not at all.
    classes : sequence of str

    Raises
    ------
    DataError
        If the dataset cannot be read, all of its wanted frames would be left out, or
        the file cannot be written.
    """
    with LabelledDataset(source) as hits:
        pixels = hits.shape[0] * hits.shape[1]
        labels, taken = hits.labels, np.ones(len(hits), bool)
        if labels is not None:
            taken = np.isin(labels, classes)
        left_out: list[str] = []
        if taken.any():
            with replacing(target) as [part], EmcWriter(part, pixels) as writer:
                for events in _blocks(taken, pixels):
                    writer.append(_photons(hits, events, left_out))
                if len(left_out) == taken.sum():
                    raise DataError(f"no frame can be written: {left_out[0]}")
        return EmcSummary(
            frames=int(taken.sum()) - len(left_out),
            of=len(hits),
            pixels=pixels,
            labels=() if labels is None else tuple(np.unique(labels).tolist()),
            left_out=tuple(left_out),
        )


def _blocks(
    taken: npt.NDArray[np.bool_], pixels: int
) -> Iterator[npt.NDArray[np.intp]]:
    """Return the numbers of the taken frames, so many that memory stays bounded."""
    size = max(1, VALUES_AT_ONCE // pixels)
    for first in range(0, len(taken), size):
        found = first + np.flatnonzero(taken[first : first + size])
        if len(found):
            yield found


def _photons(
    hits: LabelledDataset, events: npt.NDArray[np.intp], left_out: list[str]
) -> npt.NDArray[np.int32]:
    """Return whole photons of those frames that have them, (B, pixels).

    Adds a sentence about each of the others to `left_out`.
    """
    frames, events = _readable(hits, events, left_out)
    if frames.dtype.kind == "f":
        frames = np.rint(frames)
    strange = ~hits.bad & ~((frames > -LIMIT) & (frames < LIMIT))
    refused = strange.any(axis=(1, 2))
    left_out.extend(
        f"{hits}: frame {event} has a pixel that is no number, or has more photons "
        f"than an EMC file holds ({LIMIT - 1})"
        for event in events[refused]
    )
    frames = frames[~refused]
    photons = np.where(hits.bad, 0, np.maximum(frames, 0)).astype(np.int32)
    return photons.reshape(len(frames), hits.bad.size)


def _readable(
    hits: LabelledDataset, events: npt.NDArray[np.intp], left_out: list[str]
) -> tuple[Frames, npt.NDArray[np.intp]]:
    """Return the frames that can be read, and their numbers."""
    try:
        return hits.frames(events), events
    except DataError as error:
        if len(events) == 1:
            left_out.append(str(error))
            return np.zeros((0, *hits.shape), hits.dtype), events[:0]
    parts = [_readable(hits, events[i : i + 1], left_out) for i in range(len(events))]
    frames, numbers = zip(*parts, strict=True)
    return np.concatenate(frames), np.concatenate(numbers)
