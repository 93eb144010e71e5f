"""Shots, and the two protocols by which every source hands them out.

A source opens, hands out shots and closes. It does not choose the batch size,
classify, count or exit the process. Files are `IndexedSource`: any range can be
read by anyone, so the collector can lease ranges to workers. Streams are
`LiveSource`: what was received is gone, so the stream splits itself.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from specklenn.core.data.labelled_dataset import LONGEST_TEXT
from specklenn.core.flags import Flag


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One shot.

    Parameters
    ----------
    index : int
        Position in the run.
    timestamp_ns : int
        Unix epoch, nanoseconds.
    frame : (H, W) array or None
        ADU or photons; None where it could not be read.
    truth : str
        Its label if the data carry one, else empty.
    """

    index: int
    timestamp_ns: int
    frame: npt.NDArray[Any] | None
    truth: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shots:
    """A batch of shots; frames that could not be used are zero and flagged.

    Parameters
    ----------
    index : (B,) int64
    timestamp_ns : (B,) uint64
        When each shot happened, Unix epoch, nanoseconds.
    arrived_ns : (B,) uint64
        When it reached us; for live sources the shot's own time.
    frames : (B, H, W) array, ADU or photons
    flags : (B,) uint16
        See `specklenn.core.flags.Flag`.
    truth : (B,) str
        Labels in the data, empty where there are none.
    """

    index: npt.NDArray[np.int64]
    timestamp_ns: npt.NDArray[np.uint64]
    arrived_ns: npt.NDArray[np.uint64]
    frames: npt.NDArray[Any]
    flags: npt.NDArray[np.uint16]
    truth: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.index)

    def part(self, start: int, stop: int) -> Shots:
        """Return the shots at positions start to stop - 1."""
        return Shots(
            **{
                item.name: getattr(self, item.name)[start:stop]
                for item in dataclasses.fields(self)
            }
        )


def joined(parts: Sequence[Shots]) -> Shots:
    """Return several batches, whose frames have one shape, as one."""
    if len(parts) == 1:
        return parts[0]
    names = [item.name for item in dataclasses.fields(Shots)]
    return Shots(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    )


class IndexedSource(Protocol):
    """A finite run of which any range can be read, by anyone, again and again."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""

    @property
    def first(self) -> int:
        """Number of the first shot."""

    def __len__(self) -> int:
        """Shots in the run."""

    def read(self, start: int, stop: int) -> Shots:
        """Read shots number start to stop - 1; bad ones are flagged, not left out."""

    def close(self) -> None:
        """Close the files."""


@runtime_checkable
class DetectorRun(IndexedSource, Protocol):
    """A run that also knows its detector, and need not read all of it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the frames."""

    @property
    def modules(self) -> int:
        """Modules that lie on top of each other in a frame."""

    @property
    def growing(self) -> bool:
        """Whether it is being written, so that others may see more shots."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person must know of it before the start, sentences."""

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return the mask (H, W), True where bad, if it has one."""

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only, (modules,) bool; frames are 0 elsewhere."""


@runtime_checkable
class LiveSource(Protocol):
    """A stream, or one worker's share of it."""

    @property
    def missed(self) -> int:
        """Shots of this share that came and were lost before we took them."""

    @property
    def stall_reason(self) -> str:
        """Why no shots come, a sentence; empty while they do."""

    def start(self, start_ns: int) -> None:
        """Begin; the run's common start, Unix epoch, nanoseconds."""

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return up to `most` shots, or None if none came within the time.

        Raises
        ------
        EndOfRun
            When there will be no more.
        """

    def close(self) -> None:
        """Close the sockets."""


ShotSource = IndexedSource | LiveSource


def blank_shots(
    start: int, stop: int, shape: tuple[int, int], dtype: npt.DTypeLike
) -> Shots:
    """Return shots number start to stop - 1 to be filled in: frames and times are 0.

    Parameters
    ----------
    start, stop : int
    shape : (H, W)
        Shape of the frames.
    dtype : data type
        Data type of the frames.
    """
    number = stop - start
    return Shots(
        index=np.arange(start, stop),
        timestamp_ns=np.zeros(number, np.uint64),
        arrived_ns=np.full(number, time.time_ns(), np.uint64),
        frames=np.zeros((number, *shape), dtype),
        flags=np.zeros(number, np.uint16),
        truth=np.full(number, "", f"<U{LONGEST_TEXT}"),
    )


def gather(shots: Sequence[Shot], shape: tuple[int, int]) -> Shots:
    """Make a batch of single shots; frames of another shape or None are flagged.

    Parameters
    ----------
    shots : sequence of Shot
    shape : (H, W)
        Shape that the frames should have.
    """
    flags = np.zeros(len(shots), np.uint16)
    dtype = next((s.frame.dtype for s in shots if s.frame is not None), np.float32)
    frames = np.zeros((len(shots), *shape), dtype)
    for position, shot in enumerate(shots):
        if shot.frame is None:
            flags[position] = Flag.UNREADABLE.bits
        elif shot.frame.shape != shape:
            flags[position] = Flag.WRONG_SHAPE.bits
        else:
            frames[position] = shot.frame
    times = np.array([shot.timestamp_ns for shot in shots], np.uint64)
    return Shots(
        index=np.array([shot.index for shot in shots], np.int64),
        timestamp_ns=times,
        arrived_ns=np.full(len(shots), time.time_ns(), np.uint64),
        frames=frames,
        flags=flags,
        truth=np.array([shot.truth for shot in shots], np.str_),
    )


class InMemorySource:
    """A run made of frames in memory: for tests, notebooks and small data.

    Parameters
    ----------
    frames : sequence of (H, W) arrays or None
        They may differ in shape: those unlike the first come flagged.
    truth : sequence of str, optional
    """

    first = 0

    def __init__(
        self,
        frames: Sequence[npt.NDArray[Any] | None],
        truth: Sequence[str] | None = None,
    ) -> None:
        self._frames = frames
        self._truth = truth
        first = next(frame for frame in frames if frame is not None)
        self.shape: tuple[int, int] = (first.shape[0], first.shape[1])

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Shots:
        """Return shots start to stop - 1."""
        now = time.time_ns()
        return gather(
            [
                Shot(
                    index=index,
                    timestamp_ns=now,
                    frame=self._frames[index],
                    truth=self._truth[index] if self._truth is not None else "",
                )
                for index in range(start, stop)
            ],
            self.shape,
        )

    def close(self) -> None:
        """Nothing is open."""
