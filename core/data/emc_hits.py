"""Frames of a labelled dataset as sparse photons: ``hits.cxi`` to ``hits.emc``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.data.atomic import replacing
from specklenn.core.data.emc import LIMIT, EmcWriter
from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.errors import DataError
from specklenn.core.labels import SINGLE_HIT

VALUES_AT_ONCE = 2**20
"""Pixels that are read at once, at least one frame."""


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
) -> EmcSummary:
    """Write the frames of some classes as sparse photons.

    Frames are taken as photons per pixel, as ``hits.cxi`` holds them, and are not
    calibrated. Photons are rounded and never negative; masked pixels have none.
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
    with LabelledDataset(source) as hits:
        pixels = hits.shape[0] * hits.shape[1]
        labels, taken = hits.labels, np.ones(len(hits), bool)
        if labels is not None:
            taken = np.isin(labels, classes)
        if taken.any():
            with replacing(target) as [part], EmcWriter(part, pixels) as writer:
                for events in _blocks(taken, pixels):
                    writer.append(_photons(hits, events))
        return EmcSummary(
            frames=int(taken.sum()),
            of=len(hits),
            pixels=pixels,
            labels=() if labels is None else tuple(np.unique(labels).tolist()),
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
    hits: LabelledDataset, events: npt.NDArray[np.intp]
) -> npt.NDArray[np.int32]:
    """Return whole photons of some frames, (B, pixels)."""
    frames = hits.frames(events)
    if frames.dtype.kind == "f":
        frames = np.rint(frames)
    strange = ~hits.bad & ~((frames > -LIMIT) & (frames < LIMIT))
    if strange.any():
        event = events[np.flatnonzero(strange.any(axis=(1, 2)))[0]]
        raise DataError(
            f"{hits}: frame {event} has a pixel that is no number, or has more "
            f"photons than an EMC file holds ({LIMIT - 1})"
        )
    photons = np.where(hits.bad, 0, np.maximum(frames, 0)).astype(np.int32)
    return photons.reshape(len(events), -1)
