"""Frames of a labelled dataset as sparse photons: ``hits.cxi`` to ``hits.emc``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data import labelled_dataset
from specklenn.core.data.atomic import replacing
from specklenn.core.data.emc import LIMIT, EmcWriter
from specklenn.core.errors import DataError
from specklenn.core.labels import SINGLE_HIT

VALUES_AT_ONCE = 2**20
"""Pixels that are read at once, at least one frame."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was written.

    Parameters
    ----------
    frames : int
        0 where none is of the wanted classes; then there is no file.
    of : int
        Frames in the dataset.
    pixels : int
        Of a frame.
    labels : tuple of str
        Those in the dataset; none where it has no labels and all frames were taken.
    """

    frames: int
    of: int
    pixels: int
    labels: tuple[str, ...]


def hits_to_emc(
    source: Path, target: Path, classes: Sequence[str] = (SINGLE_HIT,)
) -> Made:
    """Write the frames of some classes as sparse photons.

    Photons are rounded to whole ones and never negative; masked pixels have none.
    Modules are stacked and pixels counted row by row, as everywhere in specklenn. A
    file that is being written, or whose writer was killed, is taken as far as it goes.

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
        If the dataset cannot be read, has a pixel that is no number or beyond what an
        EMC file holds, or the file cannot be written.
    """
    with labelled_dataset.open_file(source) as file:
        data, shape = labelled_dataset.get_frames(file, labelled_dataset.DATA)
        pixels = shape[0] * shape[1]
        good = _good(file, shape)
        labels = _labels(file)
        taken = np.ones(_whole(file), bool)
        if labels is not None:
            taken = np.isin(labels[: len(taken)], classes)
        if taken.any():
            with replacing(target) as [part], EmcWriter(part, pixels) as writer:
                for frames in _portions(data, taken):
                    writer.append(_photons(data, frames, good))
        return Made(
            frames=int(taken.sum()),
            of=len(taken),
            pixels=pixels,
            labels=() if labels is None else tuple(np.unique(labels).tolist()),
        )


def _good(file: h5py.File, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the good pixels, (pixels,)."""
    if labelled_dataset.MASK not in file:
        return np.ones(shape[0] * shape[1], bool)
    return ~labelled_dataset.read_mask(
        labelled_dataset.get_dataset(file, labelled_dataset.MASK), shape
    ).ravel()


def _labels(file: h5py.File) -> labelled_dataset.Texts | None:
    if labelled_dataset.LABEL not in file:
        return None
    return labelled_dataset.read_texts(
        labelled_dataset.get_dataset(file, labelled_dataset.LABEL)
    )


def _whole(file: h5py.File) -> int:
    """Return how many shots are whole; a killed writer's last ones may not be."""
    parts = (
        name
        for name in (
            labelled_dataset.DATA,
            labelled_dataset.LABEL,
            labelled_dataset.TIMESTAMP,
        )
        if name in file
    )
    return min(len(labelled_dataset.get_dataset(file, name)) for name in parts)


def _portions(
    data: h5py.Dataset, taken: npt.NDArray[np.bool_]
) -> Iterator[npt.NDArray[np.intp]]:
    """Return the numbers of the taken frames, so many that memory stays bounded."""
    size = max(1, VALUES_AT_ONCE // math.prod(data.shape[1:]))
    for first in range(0, len(taken), size):
        found = first + np.flatnonzero(taken[first : first + size])
        if len(found):
            yield found


def _photons(
    data: h5py.Dataset, numbers: npt.NDArray[np.intp], good: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    """Return whole photons of some frames, (B, pixels)."""
    where = f"{data.file.filename}:{data.name}"
    first = numbers[0]
    try:
        block = np.asarray(data[first : numbers[-1] + 1])[numbers - first]
    except OSError as error:
        raise DataError(f"{where}: {labelled_dataset.reason(error)}") from error
    frames = block.reshape(len(numbers), -1)
    if frames.dtype.kind == "f":
        frames = np.rint(frames)
    strange = good & ~((frames > -LIMIT) & (frames < LIMIT))
    if strange.any():
        number = numbers[np.flatnonzero(strange.any(axis=1))[0]]
        raise DataError(
            f"{where}: frame {number} has a pixel that is no number, or has more "
            f"photons than an EMC file holds ({LIMIT - 1})"
        )
    return np.where(good, np.maximum(frames, 0), 0).astype(np.int32)
