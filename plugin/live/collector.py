"""The collector: deals out work, gathers rows, tells the world. No MPI in here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import msgpack
from msgspec.structs import replace

from specklenn.core.errors import DataError
from specklenn.plugin.live.outputs import Progress, Publisher, Sink
from specklenn.plugin.live.report import Report, unpack_report
from specklenn.plugin.live.run_state import RankState, RunState
from specklenn.plugin.live.scheduler import Distribution
from specklenn.plugin.live.swap_coordinator import NoOrders, Orders, SwapCoordinator
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.channel import Channel, Kind, Message
from specklenn.plugin.parallel.clock import Backoff, Clock

log = logging.getLogger(__name__)

MOST_MESSAGES_PER_STEP = 64
STOP_PATIENCE_S = 2.0
"""How long reports that are under way are awaited after an interruption."""


class Periodic:
    """Says when a period is over.

    Parameters
    ----------
    period_s : float
    """

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._next = -np.inf

    def due(self, now_s: float) -> bool:
        """Return True once a period."""
        if now_s < self._next:
            return False
        self._next = now_s + self._period
        return True


class Collector:
    """Rank 0's part of a run.

    Parameters
    ----------
    channel : Channel
    distribution : Distribution
        Deals out the shots and keeps the books.
    state : RunState
    sinks : sequence of Sink
    publisher : Publisher
    progress : Progress
    clock : Clock
    publish_interval_s : float
    orders : Orders
        Who may ask for another model or other supports; nobody by default.
    """

    def __init__(
        self,
        channel: Channel,
        distribution: Distribution,
        state: RunState,
        sinks: Sequence[Sink],
        publisher: Publisher,
        progress: Progress,
        clock: Clock,
        publish_interval_s: float = 0.1,
        orders: Orders | None = None,
    ) -> None:
        self.state = state
        self.interrupted = False
        self.cannot_write = False
        self._channel = channel
        self._distribution = distribution
        self._sinks = list(sinks)
        # Kept: HDF5 crashes when a file that could not be written is let go.
        self._broken_sinks: list[Sink] = []
        self._publisher = publisher
        self._progress = progress
        self._clock = clock
        self._idle_workers: list[int] = []
        self._told_to_stop: set[int] = set()
        self._publishing = Periodic(publish_interval_s)
        self._flushing = Periodic(1.0)
        self._drawing = Periodic(0.2)
        self._stop_at = np.inf
        self._interrupt_asked = False
        self._swapping = SwapCoordinator(
            orders or NoOrders(), channel, state, clock, self._use
        )

    @property
    def finished(self) -> bool:
        """Whether the run is over: all shots done, nobody left, or interrupted."""
        if self._distribution.finished or not self.state.alive or self.cannot_write:
            return True
        if self.interrupted and all(rank.ended for rank in self.state.alive):
            return True
        return self._clock.monotonic() >= self._stop_at

    def run(self) -> None:
        """Gather until the run is over, then close the books."""
        idler = Backoff(self._clock)
        try:
            while not self.finished:
                idler.after(self.step())
        finally:
            self.close()

    def step(self) -> bool:
        """Handle waiting messages and whatever is due; returns if any came."""
        if self._interrupt_asked and not self.interrupted:
            self._interrupt()
        handled = 0
        while handled < MOST_MESSAGES_PER_STEP:
            message = self._channel.receive()
            if message is None:
                break
            self._handle(message)
            handled += 1
        self._swapping.step()
        self._keep_up()
        return handled > 0

    def interrupt(self) -> None:
        """End soon; may be called from a signal handler, `step` does the work."""
        self._interrupt_asked = True

    def _interrupt(self) -> None:
        """Deal out nothing more and await what is under way."""
        self.interrupted = True
        self._stop_at = self._clock.monotonic() + STOP_PATIENCE_S
        self._stop_workers()

    def close(self) -> None:
        """Stop the workers, close the files, say goodbye to the windows."""
        self._stop_workers()
        self._swapping.close()
        self._with_sinks(lambda sink: sink.close())
        # A stream of unknown length ends when somebody stops it.
        endless = self._distribution.expected == 0
        unfinished = not endless and not self._distribution.finished
        if self.interrupted and not endless:
            self.state.failures.append("interrupted before the end of the run")
        self.state.state = "failed" if unfinished or self.state.failures else "finished"
        now, wall = self._clock.monotonic(), self._clock.wall_ns()
        self._publisher.publish(self.state.snapshot(now, wall))
        self._progress.update(self.state, now)
        self._progress.close()
        # Before the publisher, which may wait for somebody who reads the last numbers.
        self._channel.flush()
        self._publisher.close()

    def _with_sinks(self, do: Callable[[Sink], None]) -> None:
        """Do something with every sink; the run ends when one cannot write."""
        for sink in list(self._sinks):
            try:
                do(sink)
            except DataError as error:
                self._sinks.remove(sink)
                self._broken_sinks.append(sink)
                self.cannot_write = True
                log.error("%s", error)
                self.state.failures.append(str(error))

    def _use(self, version: Version) -> None:
        """Write a version down before any of its rows can come."""
        self.state.versions.append(version)
        self._with_sinks(lambda sink: sink.use(version))

    def _stop_workers(self) -> None:
        self._swapping.stop()
        for rank in self.state.ranks:
            if rank not in self._told_to_stop:
                self._channel.send(rank, Kind.STOP)
                self._told_to_stop.add(rank)

    def _handle(self, message: Message) -> None:
        rank = self.state.ranks[message.rank]
        rank.heard_s = self._clock.monotonic()
        match message.kind:
            case Kind.REPORT:
                self._accept(message)
            case Kind.REQUEST:
                self._idle_workers.append(message.rank)
            case Kind.READY:
                self._ready(message)
            case Kind.END:
                rank.ended = True
                self._distribution.end(message.rank)
            case Kind.FAILED:
                self._failed(message)
            case Kind.TROUBLE:
                self._note_trouble(rank, message.payload.decode())
            case Kind.BUILT | Kind.IN_USE:
                self._swapping.heard(message)
            case _:
                log.warning("unexpected %s of rank %d", message.kind, message.rank)
        self._feed()

    def _ready(self, message: Message) -> None:
        rank = self.state.ranks[message.rank]
        rank.host, rank.ready = message.payload.decode(), True
        waiting = [rank for rank in self.state.alive if not rank.ready]
        if waiting:
            return
        self.state.started_ns = self._clock.wall_ns()
        self.state.state = "running"
        first = replace(self.state.in_use, time_ns=self.state.started_ns)
        self.state.versions = [first]
        self._with_sinks(lambda sink: sink.use(first))
        start = msgpack.encode(self.state.started_ns)
        for rank in self.state.alive:
            self._channel.send(rank.rank, Kind.START, start)

    def _accept(self, message: Message) -> None:
        number = len(self.state.facts.support_classes)
        report = unpack_report(message.payload, number)
        report = self._only_new(report)
        self.state.add(message.rank, report, self._clock.wall_ns())
        if len(report.rows):
            self._with_sinks(lambda sink: sink.write(report))

    def _only_new(self, report: Report) -> Report:
        fresh = self._distribution.accept(report.rows)
        if len(fresh) == len(report.rows):
            return report
        kept = np.isin(report.rows["index"], fresh["index"])
        return Report(
            rows=fresh,
            missed=report.missed,
            frames=report.frames.of(kept),
            examples=report.examples.of(kept),
        )

    def _failed(self, message: Message) -> None:
        rank = self.state.ranks[message.rank]
        rank.host, detail = msgpack.decode(message.payload, type=tuple[str, str])
        rank.failure = (detail.strip() or "unknown reason").splitlines()[-1]
        log.error("rank %d on %s failed:\n%s", rank.rank, rank.host, detail)
        self.state.failures.append(
            f"rank {rank.rank} on {rank.host} failed: {rank.failure}"
        )
        self._idle_workers = [
            other for other in self._idle_workers if other != rank.rank
        ]
        self._distribution.end(rank.rank)

    def _note_trouble(self, rank: RankState, trouble: str) -> None:
        """Let the windows and the log know what a worker waits for."""
        rank.trouble = trouble
        log.warning(
            "rank %d on %s: %s", rank.rank, rank.host, trouble or "shots come again"
        )

    def _feed(self) -> None:
        """Give leases to those who asked, as far as there are any."""
        if self.interrupted:
            return
        while self._idle_workers:
            lease = self._distribution.request(self._idle_workers[0])
            if lease is None:
                return
            rank = self._idle_workers.pop(0)
            self._channel.send(rank, Kind.LEASE, msgpack.encode(lease))

    def _keep_up(self) -> None:
        now = self._clock.monotonic()
        wall = self._clock.wall_ns()
        if self.state.state == "running":
            self.state.tick(wall)
        if self._publishing.due(now):
            self._publisher.publish(self.state.snapshot(now, wall))
        if self._flushing.due(now):
            self._with_sinks(lambda sink: sink.flush())
        if self._drawing.due(now):
            self._progress.update(self.state, now)
