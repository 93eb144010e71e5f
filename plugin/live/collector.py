"""The collector: leases shots, gathers rows, publishes snapshots, writes files.

A message goes through `Collector._handle`. Of a report the scheduler keeps the rows
that are new; `RunState` counts those and the sinks write them. What is due whether
or not a message came (snapshots, flushing, the progress line) is in `_do_periodic`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import msgpack
from msgspec.structs import replace

from specklenn.core.errors import DataError
from specklenn.plugin.live.outputs import Progress, Publisher, Sink
from specklenn.plugin.live.report import unpack_report
from specklenn.plugin.live.run_state import RankState, RunState
from specklenn.plugin.live.scheduler import Scheduler
from specklenn.plugin.live.swap_coordinator import SwapCoordinator, UpdateRequests
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.channel import Channel, Kind, Message
from specklenn.plugin.parallel.clock import Backoff, Clock, Periodic

log = logging.getLogger(__name__)

MOST_MESSAGES_PER_STEP = 64
LOOK_INTERVAL_S = 0.2
"""Between two looks for more shots in files that are being written."""

STOP_TIMEOUT_S = 2.0
"""How long reports that are under way are awaited after an interruption."""


class Collector:
    """Rank 0's part of a run.

    Parameters
    ----------
    scheduler : Scheduler
        Leases the shots and remembers which have a row.
    update_requests : UpdateRequests or None
        For another model or other supports; None where nobody may ask.
    """

    def __init__(
        self,
        channel: Channel,
        scheduler: Scheduler,
        state: RunState,
        sinks: Sequence[Sink],
        publisher: Publisher,
        progress: Progress,
        clock: Clock,
        publish_interval_s: float = 0.1,
        update_requests: UpdateRequests | None = None,
    ) -> None:
        self.state = state
        self.interrupted = False
        self.cannot_write = False
        self._channel = channel
        self._scheduler = scheduler
        self._sinks = list(sinks)
        # Kept: HDF5 crashes when a file that could not be written is deallocated.
        self._broken_sinks: list[Sink] = []
        self._publisher = publisher
        self._progress = progress
        self._clock = clock
        self._idle_workers: list[int] = []
        self._told_to_stop: set[int] = set()
        self._publish_period = Periodic(publish_interval_s)
        self._flush_period = Periodic(1.0)
        self._progress_period = Periodic(0.2)
        self._look_period = Periodic(LOOK_INTERVAL_S)
        self._stop_deadline_s = np.inf
        self._interrupt_asked = False
        self._swap_coordinator = SwapCoordinator(
            update_requests,
            channel,
            state,
            clock,
            self._record_version,
        )

    @property
    def finished(self) -> bool:
        """Whether the run is over: all shots done, nobody left, or interrupted."""
        if self._scheduler.finished or not self.state.alive or self.cannot_write:
            return True
        ending = self.interrupted or self._scheduler.failure
        if ending and all(rank.ended for rank in self.state.alive):
            return True
        return self._clock.monotonic() >= self._stop_deadline_s

    def run(self) -> None:
        """Handle messages until the run is over, then close files and sockets."""
        backoff = Backoff(self._clock)
        try:
            while not self.finished:
                backoff.after(self.step())
        finally:
            self.close()

    def step(self) -> bool:
        """Handle waiting messages and what is due; returns whether any came."""
        if self._interrupt_asked and not self.interrupted:
            self._interrupt()
        handled = 0
        while handled < MOST_MESSAGES_PER_STEP:
            message = self._channel.receive()
            if message is None:
                break
            self._handle(message)
            handled += 1
        self._look_for_more()
        self._swap_coordinator.step()
        self._do_periodic()
        return handled > 0

    def interrupt(self) -> None:
        """End soon; may be called from a signal handler, `step` does the work."""
        self._interrupt_asked = True

    def _interrupt(self) -> None:
        """Lease nothing more and await the reports that are under way."""
        self.interrupted = True
        self._end_soon()

    def _end_soon(self) -> None:
        self._stop_deadline_s = self._clock.monotonic() + STOP_TIMEOUT_S
        self._stop_workers()

    def _look_for_more(self) -> None:
        """Lease what has come into files that are being written, or say why not."""
        scheduler = self._scheduler
        if self.state.state != "running" or scheduler.failure or self.interrupted:
            return
        if not self._look_period.due(self._clock.monotonic()):
            return
        scheduler.look()
        if scheduler.stall_reason != self.state.stall_reason:
            self.state.stall_reason = scheduler.stall_reason
            if scheduler.stall_reason or not scheduler.finished:
                log.warning("%s", scheduler.stall_reason or "shots come again")
        if scheduler.failure:
            log.error("%s", scheduler.failure)
            self.state.failures.append(scheduler.failure)
            self._end_soon()
        self._lease_to_idle_workers()

    def close(self) -> None:
        """Stop the workers, close the files, publish the last snapshot."""
        self._stop_workers()
        self._swap_coordinator.close()
        self._with_sinks(lambda sink: sink.close())
        # A stream of unknown length ends when somebody stops it.
        endless = self._scheduler.expected == 0
        unfinished = not endless and not self._scheduler.finished
        if self.interrupted and not endless:
            self.state.failures.append("interrupted before the end of the run")
        self.state.closing_notes = tuple(self._scheduler.closing_notes())
        if self.state.nothing_usable:
            self.state.failures.append(self.state.nothing_usable)
        self.state.state = "failed" if unfinished or self.state.failures else "finished"
        now, wall = self._clock.monotonic(), self._clock.wall_ns()
        self._publisher.publish(self.state.snapshot(now, wall))
        self._progress.update(self.state, now)
        self._progress.close()
        # Before the publisher closes, which may wait for a last reader.
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

    def _record_version(self, version: Version) -> None:
        """Write a version down before any of its rows can come."""
        self.state.versions.append(version)
        self._with_sinks(lambda sink: sink.use(version))

    def _stop_workers(self) -> None:
        self._swap_coordinator.stop()
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
                self._note_ready(message)
            case Kind.END:
                rank.ended = True
                self._scheduler.end(message.rank)
            case Kind.FAILED:
                self._note_failure(message)
            case Kind.STALL_REASON:
                self._note_stall(rank, message.payload.decode())
            case Kind.BUILT | Kind.IN_USE:
                self._swap_coordinator.receive(message)
            case _:
                log.warning("unexpected %s of rank %d", message.kind, message.rank)
        self._lease_to_idle_workers()

    def _note_ready(self, message: Message) -> None:
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
        report = report.only(self._scheduler.accept(report.rows))
        self.state.add(message.rank, report, self._clock.wall_ns())
        if len(report.rows):
            self._with_sinks(lambda sink: sink.write(report))

    def _note_failure(self, message: Message) -> None:
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
        self._scheduler.end(rank.rank)

    def _note_stall(self, rank: RankState, reason: str) -> None:
        """Let the windows and the log know why a worker gets no shots."""
        rank.stall_reason = reason
        log.warning(
            "rank %d on %s: %s", rank.rank, rank.host, reason or "shots come again"
        )

    def _lease_to_idle_workers(self) -> None:
        """Answer those who asked for a lease, as far as there are any."""
        if self.interrupted or self._scheduler.failure:
            return
        while self._idle_workers:
            lease = self._scheduler.request(self._idle_workers[0])
            if lease is None:
                return
            rank = self._idle_workers.pop(0)
            payload = msgpack.encode((*lease, self._scheduler.places(lease)))
            self._channel.send(rank, Kind.LEASE, payload)

    def _do_periodic(self) -> None:
        now = self._clock.monotonic()
        wall = self._clock.wall_ns()
        if self.state.state == "running":
            self.state.record_history(wall)
        if self._publish_period.due(now):
            self._publisher.publish(self.state.snapshot(now, wall))
        if self._flush_period.due(now):
            self._with_sinks(lambda sink: sink.flush())
        if self._progress_period.due(now):
            self._progress.update(self.state, now)
