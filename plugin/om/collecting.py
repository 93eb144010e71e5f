"""OM's processing layer on its collecting node: our collector, stepped by OM's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specklenn.plugin.live.collector import Collector
from specklenn.plugin.om.processing import MESSAGES
from specklenn.plugin.parallel.channel import (
    COLLECTOR,
    Channel,
    Kind,
    in_memory_channels,
)
from specklenn.plugin.parallel.clock import Backoff, Clock

END_TIMEOUT_S = 0.2
"""How long nodes may take to end after an interruption: mpirun kills soon after."""

SHORTEST_NAP_S = 0.0001
LONGEST_NAP_S = 0.0005
"""Short, since OM's processing nodes wait until their messages are received."""


class RunEndedError(Exception):
    """The run must end on all ranks before OM's loop would end it.

    Parameters
    ----------
    code : int
        Exit code.
    failures : list of str
        What went wrong, sentences.
    """

    def __init__(self, code: int, failures: list[str]) -> None:
        super().__init__(code, failures)
        self.code = code
        self.failures = failures


class CollectingNode:
    """What OM's loop calls on rank 0.

    Parameters
    ----------
    make_collector : function of a channel
        Called at the start, for it opens files.
    ranks : sequence of int
        The processing nodes, which are all ready when OM's loop starts.
    finish : function of a collector
        Says how the run went; returns the exit code.
    """

    def __init__(
        self,
        make_collector: Callable[[Channel], Collector],
        ranks: Sequence[int],
        finish: Callable[[Collector], int],
        clock: Clock,
    ) -> None:
        self.code = 0
        self._channel, self._nodes = in_memory_channels(ranks)
        self._make_collector = make_collector
        self._made: Collector | None = None
        self._finish = finish
        self._clock = clock
        self._backoff = Backoff(clock, SHORTEST_NAP_S, LONGEST_NAP_S)
        self._deadline_s: float | None = None

    @property
    def collector(self) -> Collector:
        """Our collector, once OM's loop has started."""
        assert self._made is not None
        return self._made

    def interrupt(self) -> None:
        """End soon; may be called from a signal handler.

        Raises
        ------
        KeyboardInterrupt
            If the loop has not started.
        """
        if self._made is None:
            raise KeyboardInterrupt
        self._made.interrupt()

    def initialize_collecting_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> None:
        """Make the collector, which opens its files."""
        self._made = self._make_collector(self._channel)
        for node in self._nodes.values():
            node.send(COLLECTOR, Kind.READY)
        self.collector.step()

    def wait_for_data(self, *, node_rank: int, node_pool_size: int) -> None:
        """Step the collector; sleep if it did nothing, for OM calls again at once."""
        self._backoff.after(self._step())

    def collect_data(
        self,
        *,
        node_rank: int,
        node_pool_size: int,
        processed_data: tuple[dict[str, Any], int],
    ) -> None:
        """Hand the messages of a processing node to the collector."""
        data, rank = processed_data
        for kind, payload in data[MESSAGES]:
            if kind == Kind.READY:  # counted at the start; here it says from where
                self.collector.state.ranks[rank].host = payload.decode()
            else:
                self._nodes[rank].send(COLLECTOR, Kind(kind), payload)
        self._backoff.after(True)
        self._step()

    def end_processing_on_collecting_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> None:
        """Close a run that OM has ended."""
        self._close()

    def _step(self) -> bool:
        """Step the collector; end everything if the run cannot go on.

        Raises
        ------
        RunEndedError
        """
        worked = self.collector.step()
        if self._must_end_here():
            self._close()
            raise RunEndedError(self.code, self.collector.state.failures)
        return worked

    def _must_end_here(self) -> bool:
        """Whether the run failed, or was interrupted and some nodes do not end."""
        collector = self.collector
        if collector.cannot_write or collector.state.failures:
            return True
        if not collector.interrupted:
            return False
        now_s = self._clock.monotonic()
        if self._deadline_s is None:  # for nodes that may be waiting for data
            self._deadline_s = now_s + END_TIMEOUT_S
        awaited = any(not rank.ended for rank in collector.state.alive)
        return awaited and now_s >= self._deadline_s

    def _close(self) -> None:
        self.collector.close()
        self.code = self._finish(self.collector)
