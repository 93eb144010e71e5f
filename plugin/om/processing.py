"""OM's processing layer on its processing nodes: our worker, stepped by OM's loop."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import msgpack

from specklenn.core.data.frames import as_picture
from specklenn.core.data.shots import Shot, Shots, ShotSource, gather
from specklenn.core.errors import EndOfRun
from specklenn.plugin.live.worker import Worker
from specklenn.plugin.om.events import ARRIVED, FAILURE, WAITED
from specklenn.plugin.om.settings import FRAME
from specklenn.plugin.parallel.channel import Channel, Kind, in_memory_channels
from specklenn.plugin.parallel.clock import Clock
from specklenn.plugin.sources.event_times import unix_ns

log = logging.getLogger(__name__)

MESSAGES = "specklenn_messages"
"""Key of a worker's messages in what OM carries to its collecting node."""

Messages = dict[str, list[tuple[int, bytes]]]


class QueuedSource:
    """A live source of one worker; the shots are put into its queue by OM's loop.

    The k-th shot of worker w of n has the index w + k n.

    Parameters
    ----------
    worker, workers : int
        Number of the worker, from 0, and how many there are.
    shape : (H, W)
        Shape of the frames.
    """

    missed = 0
    stall_reason = ""

    def __init__(self, worker: int, workers: int, shape: tuple[int, int]) -> None:
        self._next = worker
        self._step = workers
        self._shape = shape
        self._waiting: deque[tuple[Shot, int]] = deque()
        self._ended = False
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, data: dict[str, Any]) -> None:
        """Take an event of OM; its frame is copied, for OM may use the memory again."""
        frame = frame_of(data.get(FRAME))
        if frame is None and FRAME in data:
            self._tell(np.array(data[FRAME]))
        shot = Shot(
            index=self._next,
            timestamp_ns=time_ns(data.get("timestamp")),
            frame=frame,
        )
        self._next += self._step
        self._waiting.append((shot, data[ARRIVED]))

    def _tell(self, found: npt.NDArray[Any]) -> None:
        """Log once for each kind what came in place of a frame."""
        kind = f"{found.dtype} of shape {found.shape}"
        if kind not in self._told:
            self._told.add(kind)
            log.warning(
                "OM's %s: %s found, a frame (H, W) or modules of real numbers expected",
                FRAME,
                kind,
            )

    def end(self) -> None:
        """Let the stream end behind what waits."""
        self._ended = True

    def start(self, start_ns: int) -> None:
        """Nothing to begin."""

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return up to `most` waiting shots, None if there are none."""
        if not self._waiting:
            if self._ended:
                raise EndOfRun
            return None
        taken = [self._waiting.popleft() for _ in range(min(most, len(self)))]
        shots = gather([shot for shot, _ in taken], self._shape)
        arrived = np.array([arrived_ns for _, arrived_ns in taken], np.uint64)
        return dataclasses.replace(shots, arrived_ns=arrived)

    def close(self) -> None:
        """Nothing is open."""


class ProcessingNode:
    """What OM's loop calls on a rank that works.

    A shot that OM had to wait for is classified at once. Where shots come faster,
    several are classified together, which takes less time.

    Parameters
    ----------
    batch_shots : int
        Most shots classified at once.
    wait_s : float
        Longest time that a shot waits for others.
    """

    def __init__(
        self,
        make_worker: Callable[[Channel, Callable[[], ShotSource]], Worker],
        source: QueuedSource,
        rank: int,
        host: str,
        batch_shots: int,
        wait_s: float,
        clock: Clock,
    ) -> None:
        self._source = source
        self._rank = rank
        self._host = host
        self._batch = batch_shots
        self._wait = wait_s
        self._clock = clock
        self._channel, theirs = in_memory_channels([rank])
        self._worker = make_worker(theirs[rank], lambda: source)
        self._first_s = -np.inf
        self.code = 0

    def initialize_processing_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> None:
        """Start the worker."""
        self._channel.send(
            self._rank, Kind.START, msgpack.encode(self._clock.wall_ns())
        )

    def process_data(
        self, *, node_rank: int, node_pool_size: int, data: dict[str, Any]
    ) -> tuple[Messages, int]:
        """Take an event and return the messages of the worker."""
        if FAILURE in data:
            failed = msgpack.encode((self._host, data[FAILURE]))
            return {MESSAGES: [(Kind.FAILED.value, failed)]}, self._rank
        now = self._clock.monotonic()
        if len(self._source) == 0:
            self._first_s = now
        self._source.put(data)
        at_once = data[WAITED] < self._wait
        in_time = now - self._first_s < self._wait
        if not (at_once and in_time and len(self._source) < self._batch):
            self._worker.step()
        return self._messages(), self._rank

    def end_processing_on_processing_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> Messages:
        """Classify what still waits and return the last messages of the worker."""
        self._source.end()
        for _ in range(2):  # the shots, and that there are no more
            self._worker.step()
        self._worker.close()
        return self._messages()

    def _messages(self) -> Messages:
        messages = []
        while (message := self._channel.receive()) is not None:
            messages.append((message.kind.value, message.payload))
        return {MESSAGES: messages}


def time_ns(seconds: float | None) -> int:
    """Return OM's time, seconds of the Unix epoch, in nanoseconds; 0 if it is none."""
    return int(unix_ns(np.array([seconds], np.float64), "unix_s")[0])


def frame_of(value: Any) -> npt.NDArray[Any] | None:
    """Return a copy of a frame, modules stacked to (H, W); None if it is no frame."""
    frame = np.array(value)
    if frame.dtype.kind not in "uif" or frame.ndim not in (2, 3):
        return None
    return as_picture(frame)
