"""Which data labels belong to: told by a few frames, not by the name of a file.

Files of different runs are often called alike, and the same file may be moved, copied
or still grow. Its frames say which one it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, StringConstraints

from specklenn.core.data.labelled_dataset import LabelledDataset, frames_alone
from specklenn.core.errors import DataError
from specklenn.core.settings import Settings

FRAMES = 9
"""Frames that tell data from others."""

MOST_TRIED = 64
"""Frames that are looked at to find so many with something on them."""

DIGITS = 16

FrameOf = Callable[[int], npt.NDArray[np.generic] | None]
"""Gives a frame (H, W) of a run by its number; None where it cannot be read."""


class DataIdentity(Settings):
    """What labels were given to; kept with them.

    Parameters
    ----------
    path : str
        The file, or the first of several, when the labels were saved last.
    bytes : int
        Its size.
    shots : int
        Shots in the run.
    frames : dict of str to str
        Number of a shot, and the beginning of the SHA-256 of its frame.
    experiment, run : str or None, int or None
        What the run was called, where it had a name.
    """

    path: str
    bytes: int = Field(ge=0)
    shots: int = Field(ge=0)
    frames: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")], str] = (
        Field(default_factory=dict)
    )
    experiment: str | None = None
    run: int | None = None

    @property
    def title(self) -> str:
        """What is labelled, for people."""
        name = "" if self.run is None else f" ({self.experiment} run {self.run})"
        return f"{self.path}{name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledData:
    """The data at hand, to which labels should belong.

    Parameters
    ----------
    path : Path
        The file, or the first of several.
    shots : int
        Shots in the run.
    frame_of : function
    experiment, run : str or None, int or None
        What the run is called, if it has a name.
    """

    path: Path
    shots: int
    frame_of: FrameOf
    experiment: str | None = None
    run: int | None = None

    @cached_property
    def identity(self) -> DataIdentity:
        """What is kept with labels of these data."""
        return DataIdentity(
            path=str(self.path.absolute()),
            bytes=self.path.stat().st_size,
            shots=self.shots,
            frames=self._telling_frames(),
            experiment=self.experiment,
            run=self.run,
        )

    def mismatch(self, of: DataIdentity) -> str:
        """Return why labels are not of these data; empty if they are."""
        known = self.run is not None and of.run is not None
        if known and (self.experiment, self.run) != (of.experiment, of.run):
            return f"this is {self.experiment} run {self.run}"
        compared = 0
        for number, digest in of.frames.items():
            shot = int(number)
            if shot >= self.shots:
                return f"that has {of.shots} shots, this one {self.shots}"
            found = self._digest(shot)
            if found is not None and found != digest:
                return f"shot {shot} is another frame there"
            compared += found is not None
        if not compared and of.bytes != self.identity.bytes:
            return f"that has {of.bytes} bytes, this one {self.identity.bytes}"
        return ""

    def _digest(self, shot: int) -> str | None:
        frame = self.frame_of(shot)
        return None if frame is None else digest(frame)

    def _telling_frames(self) -> dict[str, str]:
        """Return the digests of frames from all over the run, by number.

        Of those with something on them, if there are any: dark frames are alike.
        """
        found: dict[int, str] = {}
        dark: dict[int, str] = {}
        for shot in _spread(self.shots):
            frame = self.frame_of(shot)
            if frame is not None:
                same = dark if np.ptp(frame) == 0 else found
                same[shot] = digest(frame)
            if len(found) == FRAMES:
                break
        chosen = sorted((found or dark).items())[:FRAMES]
        return {str(shot): text for shot, text in chosen}


def read_alone(path: Path, dataset: str) -> FrameOf:
    """Return what reads frames of one file, which is opened for each."""

    def frame_of(shot: int) -> npt.NDArray[np.generic] | None:
        try:
            with LabelledDataset(path, frames_alone(dataset)) as file:
                found: npt.NDArray[np.generic] = file.frames([shot])[0]
                return found
        except DataError:
            return None

    return frame_of


def digest(frame: npt.NDArray[np.generic]) -> str:
    """Return the beginning of the SHA-256 of a frame's shape and numbers.

    The numbers, not their data type: a file that was packed anew is the same.
    """
    numbers = np.ascontiguousarray(frame, dtype="<f8")
    content = repr(frame.shape).encode() + numbers.tobytes()
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _spread(shots: int) -> Iterator[int]:
    """Give numbers of shots from all over a run, coarse ones first, each once."""
    steps = np.linspace(0, max(shots - 1, 0), min(shots, FRAMES)).round().astype(int)
    more = np.linspace(0, max(shots - 1, 0), min(shots, MOST_TRIED)).round().astype(int)
    yield from dict.fromkeys([*steps.tolist(), *more.tolist()])
