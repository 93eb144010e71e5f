"""OM's events, guarded: what cannot be read is counted, and no failure ends in a hang.

OM's loop drops an event that it cannot extract, and an exception of one rank leaves
the others waiting for ever. Both become data here, and go OM's own way to its
collecting node.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Any

from specklenn.core.errors import sentence
from specklenn.plugin.om.host import Retrieval
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

FAILURE = "specklenn_failure"
"""Key of an event that stands for a failure; its value is a sentence."""

ARRIVED = "specklenn_arrived_ns"
"""Key of the time at which OM had an event, Unix epoch, nanoseconds."""

WAITED = "specklenn_waited_s"
"""Key of the seconds that OM had to wait for an event."""

Event = dict[str, Any]


class GuardedRetrieval:
    """A data retrieval layer of OM whose events are `GuardedEvents`."""

    def __init__(self, retrieval: Retrieval, clock: Clock) -> None:
        self.events = GuardedEvents(retrieval.get_data_event_handler(), clock)

    def get_data_event_handler(self) -> GuardedEvents:
        """Return what hands the events out."""
        return self.events


class GuardedEvents:
    """An event handler of OM whose exceptions become data.

    Parameters
    ----------
    handler : OM's event handler
    """

    def __init__(self, handler: Any, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock
        self._stopped = False
        self._seen: dict[str, Any] = {}
        self._problem: Exception | None = None

    def stop(self) -> None:
        """Hand out no more events; may be called from a signal handler."""
        self._stopped = True

    def initialize_event_handling_on_collecting_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> None:
        """Prepare OM's handler."""
        self._handler.initialize_event_handling_on_collecting_node(
            node_rank=node_rank, node_pool_size=node_pool_size
        )

    def initialize_event_handling_on_processing_node(
        self, *, node_rank: int, node_pool_size: int
    ) -> None:
        """Prepare OM's handler."""
        self._handler.initialize_event_handling_on_processing_node(
            node_rank=node_rank, node_pool_size=node_pool_size
        )

    def event_generator(
        self, *, node_rank: int, node_pool_size: int
    ) -> Iterator[Event]:
        """Yield OM's events; one that stands for a failure if OM's handler raises."""
        events = self._handler.event_generator(
            node_rank=node_rank, node_pool_size=node_pool_size
        )
        try:
            asked_s = self._clock.monotonic()
            for event in events:
                if self._stopped:
                    return
                waited_s = self._clock.monotonic() - asked_s
                self._seen = {ARRIVED: self._clock.wall_ns(), WAITED: waited_s}
                yield event
                asked_s = self._clock.monotonic()
        except Exception as error:
            log.error("OM has no more events:\n%s", traceback.format_exc())
            yield {FAILURE: sentence(error)}

    def open_event(self, *, event: Event) -> None:
        """Open an event; what cannot be opened is noted for `extract_data`."""
        self._problem = None
        if FAILURE in event:
            return
        try:
            self._handler.open_event(event=event)
        except Exception as error:
            self._problem = error

    def extract_data(self, *, event: Event) -> dict[str, Any]:
        """Return the data of an event; without a frame where it cannot be read."""
        if FAILURE in event:
            return event
        if self._problem is None:
            try:
                data: dict[str, Any] = self._handler.extract_data(event=event)
                return {**data, **self._seen}
            except Exception as error:
                self._problem = error
        log.warning("an event cannot be read: %s", sentence(self._problem))
        timestamp = event.get("additional_info", {}).get("timestamp")
        return {"timestamp": timestamp, **self._seen}

    def close_event(self, *, event: Event) -> None:
        """Close an event that could be opened."""
        if self._problem is None and FAILURE not in event:
            self._handler.close_event(event=event)
