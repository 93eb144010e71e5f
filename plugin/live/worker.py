"""The worker: reads or receives shots, classifies them and sends reports.

A source that stalls says why (`stall_reason`, often of
`plugin.sources.stall_detector`); the worker sends it once, and once more when shots
come, and a heartbeat every second, which the collector shows in the window.
"""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from msgspec import msgpack

from specklenn.core.data.shots import LiveSource, Shots, ShotSource
from specklenn.core.errors import EndOfRun, SpecklennError
from specklenn.core.hit_sample import HitSample
from specklenn.core.pipeline import ClassifiedBatch, Pipeline
from specklenn.core.rows import empty_rows
from specklenn.plugin.live.feed import (
    ExampleBudget,
    LeaseFeed,
    with_stall_reason,
)
from specklenn.plugin.live.model_update import apply_update, unpack_update
from specklenn.plugin.live.report import NOTHING, Attached, Report, attach, pack_report
from specklenn.plugin.parallel.channel import COLLECTOR, Channel, Kind
from specklenn.plugin.parallel.clock import Backoff, Clock

log = logging.getLogger(__name__)

MOST_UNSENT = 8
"""Reports under way before a worker waits for the collector."""

HEARTBEAT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a worker behaves.

    Parameters
    ----------
    host : str
        Name of this machine.
    batch_shots : int
        Most shots classified at once.
    live_wait_s : float
        Longest wait for a live shot.
    save_classes : tuple of str
        Whole frames are sent of shots of these classes.
    examples_per_class : int
        Most pictures per class and interval.
    follow_run : bool
        Send the hits of a sample of the run, see `specklenn.plugin.live.follow_run`.
    """

    host: str
    batch_shots: int = 64
    live_wait_s: float = 0.005
    save_classes: tuple[str, ...] = ()
    examples_per_class: int = 6
    example_interval_s: float = 0.1
    follow_run: bool = False


class Worker:
    """One worker.

    Parameters
    ----------
    open_source : function returning an IndexedSource or a LiveSource
        Called once; a source that cannot be opened is reported like any failure.

    Attributes
    ----------
    stopped : bool
        The collector said that all is done.
    """

    def __init__(
        self,
        channel: Channel,
        open_source: Callable[[], ShotSource],
        pipeline: Pipeline,
        options: WorkerOptions,
        clock: Clock,
    ) -> None:
        self.stopped = False
        self.failed = False
        self._channel = channel
        self._source: ShotSource | None = None
        self._pipeline = pipeline
        self._options = options
        self._clock = clock
        self._leases: LeaseFeed | None = None
        self._stream: LiveSource | None = None
        self._started = False
        self._over = False
        self._sent_stall_reason = ""
        self._offered: tuple[int, Pipeline] | None = None
        self._budget = ExampleBudget(
            options.examples_per_class, options.example_interval_s, clock
        )
        self._saved = np.array(
            [name in options.save_classes for name in pipeline.classes]
        )
        self._samples: defaultdict[int, HitSample] = defaultdict(HitSample)
        self._last_report = clock.monotonic()
        self._announce_ready(open_source)

    def run(self) -> int:
        """Work until the collector says stop; returns the exit code."""
        backoff = Backoff(self._clock)
        while not self.stopped:
            backoff.after(self.step())
        self._channel.flush()
        self.close()
        return 1 if self.failed else 0

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def step(self) -> bool:
        """Do one batch; returns whether there was anything to do."""
        try:
            return self._step()
        except Exception as error:
            self._fail(error)
            return True

    def _step(self) -> bool:
        worked = False
        while not self.stopped and self._listen():
            worked = True
        if self._over or self.stopped or not self._started:
            return worked
        if self._channel.unsent >= MOST_UNSENT or self._holds:
            return worked
        try:
            shots = self._take()
        except EndOfRun:
            self._end()
            return True
        if shots is None or len(shots) == 0:
            if self._clock.monotonic() - self._last_report > HEARTBEAT_S:
                self._heartbeat()
            return worked
        self._send(self._report(shots, self._pipeline.classify(shots)))
        return True

    def _take(self) -> Shots | None:
        """Read shots of a lease, or wait a little for those of a stream."""
        if self._stream is None:
            return self._leases.next() if self._leases else None
        options = self._options
        shots = self._stream.receive(options.batch_shots, options.live_wait_s)
        self._send_stall_reason(self._stream.stall_reason)
        return shots

    @property
    def _missed(self) -> int:
        return 0 if self._stream is None else self._stream.missed

    @property
    def _holds(self) -> bool:
        """Whether to wait with the next batch until told to switch; streams go on."""
        return self._offered is not None and self._stream is None

    def _announce_ready(self, open_source: Callable[[], ShotSource]) -> None:
        """Open the source and tell the collector that it is open, or why not."""
        try:
            self._source = with_stall_reason(open_source())
        except Exception as error:
            self._fail(error)
        self._channel.send(COLLECTOR, Kind.READY, self._options.host.encode())

    def _listen(self) -> bool:
        message = self._channel.receive()
        if message is None:
            return False
        if message.kind is Kind.START:
            self._start(int(msgpack.decode(message.payload)))
        elif message.kind is Kind.LEASE and self._leases is not None:
            self._leases.add(*msgpack.decode(message.payload))
        elif message.kind is Kind.OFFER:
            self._build(*msgpack.decode(message.payload))
        elif message.kind is Kind.SWITCH:
            self._switch(int(msgpack.decode(message.payload)))
        elif message.kind is Kind.DROP:
            self._offered = None
        elif message.kind is Kind.STOP:
            self.stopped = True
            self._end()
        return True

    def _start(self, start_ns: int) -> None:
        source = self._source
        self._started = source is not None
        if isinstance(source, LiveSource):
            source.start(start_ns)
            self._stream = source
        elif source is not None:
            batch_shots = self._options.batch_shots
            self._leases = LeaseFeed(source, self._channel, batch_shots)

    def _build(self, number: int, payload: bytes) -> None:
        """Build the pipeline of an offered update; say whether that went well."""
        problem = ""
        try:
            built = apply_update(self._pipeline, unpack_update(payload))
            self._offered = number, built
        except Exception as error:
            log.warning("version %d was refused:\n%s", number, traceback.format_exc())
            problem = str(error) or repr(error)
        self._channel.send(COLLECTOR, Kind.BUILT, msgpack.encode((number, problem)))

    def _switch(self, number: int) -> None:
        """Use the pipeline that was built, from the next batch on."""
        if self._offered is not None and self._offered[0] == number:
            self._pipeline = self._offered[1]
            self._offered = None
            self._channel.send(COLLECTOR, Kind.IN_USE, msgpack.encode((number, "")))

    def _report(self, shots: Shots, classified: ClassifiedBatch) -> Report:
        labels = classified.rows["label"]
        saved = np.flatnonzero((labels >= 0) & self._saved[labels])
        shown = self._budget.choose(labels)
        return Report(
            rows=classified.rows,
            missed=self._missed,
            frames=self._frames(shots, saved),
            examples=attach(np.array(shown, np.int32), classified.photons[shown])
            if shown
            else NOTHING,
            sampled=self._sampled(classified) if self._options.follow_run else NOTHING,
        )

    def _sampled(self, classified: ClassifiedBatch) -> Attached:
        """Attach the hits that are in the sample of this worker's own hits so far."""
        hits = np.flatnonzero(np.isfinite(classified.rows["score"]))
        if len(hits) == 0:
            return NOTHING
        rows = classified.rows[hits]
        sample = self._samples[int(rows["model_version"][0])]
        kept = sample.choose(rows["index"])
        preprocessor = self._pipeline.classifier.preprocessor
        inputs = preprocessor.normalise(classified.photons[hits[kept]])
        sample.add(rows["index"][kept], inputs)
        return attach(hits[kept], inputs)

    def _frames(
        self, shots: Shots, saved: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> Attached:
        """Attach whole frames in photons, masked pixels too, of the saved shots only.

        Their crops were calibrated before. To put these into the frames takes longer
        than to calibrate the frames at once.
        """
        if len(saved) == 0:
            return NOTHING
        preprocessor = self._pipeline.classifier.preprocessor
        return attach(saved, preprocessor.calibrate(shots.frames[saved]))

    def _end(self) -> None:
        """Say once that no more rows will come."""
        if not self._over:
            self._heartbeat()
            self._channel.send(COLLECTOR, Kind.END)
            self._over = True

    def _send_stall_reason(self, reason: str) -> None:
        """Say once why a stream hands out no shots, and once that it does again."""
        if reason != self._sent_stall_reason:
            self._sent_stall_reason = reason
            self._channel.send(COLLECTOR, Kind.STALL_REASON, reason.encode())

    def _heartbeat(self) -> None:
        classes = len(self._pipeline.classifier.classes)
        self._send(Report(rows=empty_rows(0, classes), missed=self._missed))

    def _send(self, report: Report) -> None:
        self._channel.send(COLLECTOR, Kind.REPORT, pack_report(report))
        self._last_report = self._clock.monotonic()

    def _fail(self, error: Exception) -> None:
        """Tell the collector, and only wait for the end from now on."""
        detail = (
            str(error)
            if isinstance(error, SpecklennError)
            else "".join(traceback.format_exception(error))
        )
        log.error("this rank failed: %s", detail)
        self._over = True
        self.failed = True
        named = msgpack.encode((self._options.host, detail))
        self._channel.send(COLLECTOR, Kind.FAILED, named)
