"""A swap at the collector: offered to every worker, then used by all or by none.

A request comes to `plugin.control.server`; `plugin.control.update_builder` makes a
`model_update` of it, `SwapCoordinator` sends that to every `worker`.
The update goes to all workers, which build it beside the model in use and answer
whether they could. Only when all could are they told to switch, which each does
between two batches. So no shot is ever classified by what one of them had to refuse.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import msgpack
from msgspec.structs import replace

from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.channel import Channel, Kind, Message
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
"""How long a worker may take to build an update, or to switch."""


@dataclass(frozen=True, kw_only=True)
class UpdateResult:
    """The result of an update request.

    Parameters
    ----------
    done : bool
        Whether the ranks use the new version.
    reason : str
        Why not, or who is late; a sentence.
    ranks : int
        Workers that have it.
    finished_s : float
        When the last of them had it, monotonic seconds.
    """

    done: bool
    reason: str = ""
    ranks: int = 0
    finished_s: float = 0.0


@dataclass(kw_only=True, eq=False)
class UpdateRequest:
    """A requested model update, and its result once there is one.

    Parameters
    ----------
    payload : bytes
        The packed `ModelUpdate` for the workers.
    support_notes : tuple of str
        Sentences about its supports.
    """

    version: Version
    payload: bytes
    support_notes: tuple[str, ...] = ()
    result: UpdateResult | None = None
    _finished: threading.Event = field(default_factory=threading.Event)

    def finish(self, result: UpdateResult) -> None:
        """Set the result."""
        self.result = result
        self._finished.set()

    def wait(self, timeout_s: float) -> UpdateResult | None:
        """Wait for the result in another thread; None if there is none yet."""
        self._finished.wait(timeout_s)
        return self.result


class UpdateRequests(Protocol):
    """Where requests come from."""

    def next(self) -> UpdateRequest | None:
        """Return a request that nobody has begun, or None."""

    def close(self) -> None:
        """Take no more."""


class SwapCoordinator:
    """Brings one update at a time to all workers.

    Parameters
    ----------
    requests : UpdateRequests or None
        None for a run that accepts none.
    record : function of Version
        Called before any worker may use the version.
    """

    def __init__(
        self,
        requests: UpdateRequests | None,
        channel: Channel,
        state: RunState,
        clock: Clock,
        record: Callable[[Version], None],
    ) -> None:
        self._requests = requests
        self._channel = channel
        self._state = state
        self._clock = clock
        self._record = record
        self._current: UpdateRequest | None = None
        self._switching = False
        self._awaited: set[int] = set()
        self._deadline_s = 0.0
        self._stopped = False

    def step(self) -> None:
        """Begin a request, or go on with the one that is under way."""
        if self._current is None:
            request = None if self._requests is None else self._requests.next()
            if request is not None:
                self._offer(request)
            return
        self._awaited &= {rank.rank for rank in self._state.alive}
        if not self._awaited and self._state.alive:
            self._go_on(self._current)
        elif self._clock.monotonic() >= self._deadline_s:
            self._time_out(self._current)

    def receive(self, message: Message) -> None:
        """Handle a worker's message: an update is built, cannot be, or is in use."""
        number, problem = msgpack.decode(message.payload, type=tuple[int, str])
        rank = self._state.ranks[message.rank]
        if message.kind is Kind.IN_USE:
            rank.version = number
        request = self._current
        if request is None or request.version.number != number:
            return
        if problem:
            self._withdraw(request, f"rank {rank.rank} on {rank.host}: {problem}")
        elif self._switching is (message.kind is Kind.IN_USE):
            self._awaited.discard(rank.rank)

    def stop(self) -> None:
        """Send nothing more: workers that were told to stop read no messages."""
        self._stopped = True
        if self._current is not None:
            self._finish(self._current, self._switching, "the run ended meanwhile")

    def close(self) -> None:
        """Refuse what waits, and take no more."""
        self.stop()
        self.step()
        if self._requests is not None:
            self._requests.close()

    def _offer(self, request: UpdateRequest) -> None:
        """Let every worker build the update."""
        if self._stopped or self._state.state != "running":
            reason = "the run is not under way: it has not begun, or is ending"
            request.finish(UpdateResult(done=False, reason=reason))
            return
        self._current, self._switching = request, False
        offer = msgpack.encode((request.version.number, request.payload))
        self._send_to_all(Kind.OFFER, offer)

    def _send_to_all(self, kind: Kind, payload: bytes) -> None:
        self._awaited = {rank.rank for rank in self._state.alive}
        self._deadline_s = self._clock.monotonic() + PATIENCE_S
        for rank in self._awaited:
            self._channel.send(rank, kind, payload)

    def _go_on(self, request: UpdateRequest) -> None:
        """All have answered: let them switch, or finish where they have."""
        if self._switching:
            self._finish(request, True)
            return
        self._switching = True
        request.version = replace(request.version, time_ns=self._clock.wall_ns())
        self._record(request.version)
        self._state.support_notes = request.support_notes
        self._send_to_all(Kind.SWITCH, msgpack.encode(request.version.number))

    def _time_out(self, request: UpdateRequest) -> None:
        late = ", ".join(map(str, sorted(self._awaited)))
        reason = f"no answer of ranks {late} within {PATIENCE_S:g} s"
        if self._switching:
            reason = f"{reason}; they switch before their next batch"
            self._finish(request, True, reason)
        else:
            self._withdraw(request, reason)

    def _withdraw(self, request: UpdateRequest, reason: str) -> None:
        """Let every worker forget the update."""
        self._send_to_all(Kind.DROP, msgpack.encode(request.version.number))
        self._finish(request, False, reason)

    def _finish(self, request: UpdateRequest, done: bool, reason: str = "") -> None:
        ranks = [rank.version for rank in self._state.alive]
        request.finish(
            UpdateResult(
                done=done,
                reason=reason,
                ranks=ranks.count(request.version.number),
                finished_s=self._clock.monotonic(),
            )
        )
        self._current = None
