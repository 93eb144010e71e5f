"""A swap at the collector: offered to every worker, then used by all or by none.

The candidate goes to all workers, which build it beside the one in use and say
whether they could. Only when all could are they told to switch, which each does
between two batches. So no shot is ever judged by what one of them had to refuse.
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
"""How long a worker may take to build a candidate, or to switch."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an order.

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
class Order:
    """A wish to use another version, fulfilled or refused by the collector.

    Parameters
    ----------
    version : Version
    payload : bytes
        The candidate for the workers.
    """

    version: Version
    payload: bytes
    outcome: Outcome | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def finish(self, outcome: Outcome) -> None:
        """Say what became of it."""
        self.outcome = outcome
        self._over.set()

    def wait(self, timeout_s: float) -> Outcome | None:
        """Wait for the outcome in another thread; None if there is none yet."""
        self._over.wait(timeout_s)
        return self.outcome


class Orders(Protocol):
    """Where orders come from."""

    def next(self) -> Order | None:
        """Return an order that nobody has begun, or None."""

    def close(self) -> None:
        """Take no more."""


class NoOrders:
    """For runs that take none."""

    def next(self) -> Order | None:
        """Return None."""
        return None

    def close(self) -> None:
        """Nothing is open."""


class SwapCoordinator:
    """Brings one order at a time to all workers.

    Parameters
    ----------
    orders : Orders
    channel : Channel
    state : RunState
    clock : Clock
    announce : function of Version
        Called before any worker may use the version.
    """

    def __init__(
        self,
        orders: Orders,
        channel: Channel,
        state: RunState,
        clock: Clock,
        announce: Callable[[Version], None],
    ) -> None:
        self._orders = orders
        self._channel = channel
        self._state = state
        self._clock = clock
        self._announce = announce
        self._order: Order | None = None
        self._waiting: set[int] = set()
        self._decided = False
        self._stopped = False
        self._give_up_s = 0.0

    def step(self) -> None:
        """Begin an order, or go on with the one that is under way."""
        if self._order is None:
            order = self._orders.next()
            if order is not None:
                self._begin(order)
            return
        self._waiting &= {rank.rank for rank in self._state.alive}
        if not self._waiting and self._state.alive:
            self._all_answered(self._order)
        elif self._clock.monotonic() >= self._give_up_s:
            self._too_late(self._order)

    def heard(self, message: Message) -> None:
        """Take a worker's word that it has built a candidate, or uses it."""
        number, problem = msgpack.decode(message.payload, type=tuple[int, str])
        rank = self._state.ranks[message.rank]
        if message.kind is Kind.IN_USE:
            rank.version = number
        order = self._order
        if order is None or order.version.number != number:
            return
        if problem:
            self._drop(order, f"rank {rank.rank} on {rank.host}: {problem}")
        elif self._decided is (message.kind is Kind.IN_USE):
            self._waiting.discard(rank.rank)

    def stop(self) -> None:
        """Send nothing more: workers that were told to stop hear nothing."""
        self._stopped = True
        if self._order is not None:
            self._finish(self._order, self._decided, "the run ended meanwhile")

    def close(self) -> None:
        """Refuse what waits, and take no more."""
        self.stop()
        self.step()
        self._orders.close()

    def _begin(self, order: Order) -> None:
        if self._stopped or self._state.state != "running":
            reason = "the run is not under way: it has not begun, or is ending"
            order.finish(Outcome(done=False, reason=reason))
            return
        self._order, self._decided = order, False
        offer = msgpack.encode((order.version.number, order.payload))
        self._ask(Kind.OFFER, offer)

    def _ask(self, kind: Kind, payload: bytes) -> None:
        self._waiting = {rank.rank for rank in self._state.alive}
        self._give_up_s = self._clock.monotonic() + PATIENCE_S
        for rank in self._waiting:
            self._channel.send(rank, kind, payload)

    def _all_answered(self, order: Order) -> None:
        if self._decided:
            self._finish(order, True)
            return
        self._decided = True
        now_ns = self._clock.wall_ns()
        order.version = replace(order.version, time_ns=now_ns)
        self._announce(order.version)
        self._ask(Kind.SWITCH, msgpack.encode(order.version.number))

    def _too_late(self, order: Order) -> None:
        late = ", ".join(map(str, sorted(self._waiting)))
        reason = f"no answer of ranks {late} within {PATIENCE_S:g} s"
        if self._decided:
            words = f"{reason}; they switch before their next batch"
            self._finish(order, True, words)
        else:
            self._drop(order, reason)

    def _finish(self, order: Order, done: bool, reason: str = "") -> None:
        ranks = [rank.version for rank in self._state.alive]
        order.finish(
            Outcome(
                done=done,
                reason=reason,
                ranks=ranks.count(order.version.number),
                finished_s=self._clock.monotonic(),
            )
        )
        self._order = None

    def _drop(self, order: Order, reason: str) -> None:
        """Let everyone forget the candidate."""
        self._ask(Kind.DROP, msgpack.encode(order.version.number))
        self._finish(order, False, reason)
