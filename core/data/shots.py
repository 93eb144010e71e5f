"""Shots, and the two protocols by which every source hands them out.

A source opens, hands out shots and closes. It does not choose the batch size,
classify, count or exit the process. Files are `IndexedSource`: any range can be
read by anyone, so the collector can lease ranges to workers. Streams are
`LiveSource`: what was received is gone, so the stream splits itself.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import NUMBERS
from specklenn.core.data.labelled_dataset import LONGEST_TEXT
from specklenn.core.errors import DataError
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
    bad : (B, H, W) bool or None
        Pixels that are bad in their shot alone, beside the mask of the run; None where
        the data have no mask of every shot.

    Raises
    ------
    DataError
        If the frames are no real numbers.
    """

    index: npt.NDArray[np.int64]
    timestamp_ns: npt.NDArray[np.uint64]
    arrived_ns: npt.NDArray[np.uint64]
    frames: npt.NDArray[Any]
    flags: npt.NDArray[np.uint16]
    truth: npt.NDArray[np.str_]
    bad: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        check_real(self.frames.dtype, "frames of a source")

    def __len__(self) -> int:
        return len(self.index)

    def part(self, start: int, stop: int) -> Shots:
        """Return the shots at positions start to stop - 1."""
        names = [item.name for item in dataclasses.fields(self) if item.name != "bad"]
        return Shots(
            bad=None if self.bad is None else self.bad[start:stop],
            **{name: getattr(self, name)[start:stop] for name in names},
        )


def check_real(dtype: np.dtype[Any], what: str) -> None:
    """Refuse frames that are not real numbers: complex ones, yes or no, objects.

    Parameters
    ----------
    dtype : data type
    what : str
        What has it, the beginning of a sentence.

    Raises
    ------
    DataError
    """
    if dtype.kind not in NUMBERS:
        raise DataError(
            f"{what}: data type {dtype} found, real numbers expected "
            "(integers or floating point)"
        )


def joined(parts: Sequence[Shots]) -> Shots:
    """Return several batches, whose frames have one shape, as one.

    The frames get the common type of all, in which nothing is cut or wraps around.
    """
    if len(parts) == 1:
        return parts[0]
    names = [item.name for item in dataclasses.fields(Shots) if item.name != "bad"]
    return Shots(
        bad=_joined_masks(parts),
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names},
    )


def _joined_masks(parts: Sequence[Shots]) -> npt.NDArray[np.bool_] | None:
    if all(part.bad is None for part in parts):
        return None
    return np.concatenate(
        [
            np.zeros(part.frames.shape, bool) if part.bad is None else part.bad
            for part in parts
        ]
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


Places = list[tuple[str, list[int]]]
"""Where shots lie: files, and the numbers of the shots in each."""


@runtime_checkable
class GrowingRun(IndexedSource, Protocol):
    """A run of files that are being written; ranks may see different amounts of it."""

    @property
    def live(self) -> bool:
        """Whether it is followed; else it is read as it was at the start."""

    @property
    def over(self) -> bool:
        """Whether no more shots will come."""

    @property
    def stop(self) -> int:
        """Number of the shot behind the last one that rank 0 knows."""

    @property
    def stall_reason(self) -> str:
        """Why no shots come, a sentence; empty while they do."""

    def look(self) -> None:
        """Look for more shots, at rank 0.

        Raises
        ------
        DataError
            If they can no longer be followed.
        """

    def closing_notes(self) -> list[str]:
        """Return what a person must know when the run has ended, at rank 0."""

    def places(self, start: int, stop: int) -> Places:
        """Return where shots lie, at rank 0."""

    def learn(self, start: int, stop: int, places: Places) -> None:
        """Take over where shots lie, at a worker."""

    def ready(self, start: int, stop: int) -> bool:
        """Whether shots can be read here by now.

        Raises
        ------
        DataError
            If they could not for too long.
        """


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

    The batch has the common type of its frames: 0.9 stays 0.9 among integers, and
    70000 stays 70000 among 16-bit ones.

    Parameters
    ----------
    shots : sequence of Shot
    shape : (H, W)
        Shape that the frames should have.

    Raises
    ------
    DataError
        If a frame is not of real numbers.
    """
    flags = np.zeros(len(shots), np.uint16)
    good: dict[int, npt.NDArray[Any]] = {}
    for position, shot in enumerate(shots):
        if shot.frame is None:
            flags[position] = Flag.UNREADABLE.bits
            continue
        check_real(shot.frame.dtype, f"shot {shot.index}")
        if shot.frame.shape == shape:
            good[position] = shot.frame
        else:
            flags[position] = Flag.WRONG_SHAPE.bits
    frames = np.zeros((len(shots), *shape), common_dtype(good.values()))
    for position, frame in good.items():
        frames[position] = frame
    times = np.array([shot.timestamp_ns for shot in shots], np.uint64)
    return Shots(
        index=np.array([shot.index for shot in shots], np.int64),
        timestamp_ns=times,
        arrived_ns=np.full(len(shots), time.time_ns(), np.uint64),
        frames=frames,
        flags=flags,
        truth=np.array([shot.truth for shot in shots], np.str_),
    )


def common_dtype(frames: Iterable[npt.NDArray[Any]]) -> np.dtype[Any]:
    """Return the type that holds all values of frames; float32 if there are none."""
    found = {frame.dtype for frame in frames}
    return np.result_type(*found) if found else np.dtype(np.float32)


def put(
    frames: npt.NDArray[Any], batch: npt.NDArray[Any], places: npt.NDArray[Any] | slice
) -> None:
    """Copy frames into their places in a batch, if its type holds all their values.

    Raises
    ------
    DataError
        If values could be cut or wrap around.
    """
    if not np.can_cast(frames.dtype, batch.dtype, "safe"):
        raise DataError(
            f"frames of data type {frames.dtype} found among {batch.dtype}, which "
            "does not hold their values"
        )
    batch[places] = frames


class InMemorySource:
    """A run made of frames in memory: for tests, notebooks and small data.

    Parameters
    ----------
    frames : sequence of (H, W) arrays or None
        They may differ in shape and type: those whose shape is unlike the first's come
        flagged.
    truth : sequence of str, optional

    Raises
    ------
    DataError
        If there is no frame, the first is no picture, or one is not of real numbers.
    """

    first = 0

    def __init__(
        self,
        frames: Sequence[npt.NDArray[Any] | None],
        truth: Sequence[str] | None = None,
    ) -> None:
        self._frames = frames
        self._truth = truth
        first = next((frame for frame in frames if frame is not None), None)
        if first is None:
            raise DataError("a run in memory: no frame found, at least one expected")
        if first.ndim != 2:
            raise DataError(
                f"a run in memory: frame of shape {first.shape} found, (H, W) expected"
            )
        # A stack has one type; to look at each of its frames would read it.
        for frame in [first] if isinstance(frames, np.ndarray) else frames:
            if frame is not None:
                check_real(frame.dtype, "a run in memory")
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
