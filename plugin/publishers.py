"""Several publishers in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from specklenn.core.messages import Snapshot
from specklenn.plugin.live.outputs import Publisher


class Publishers:
    """Hands every snapshot to each of its publishers, in order.

    Parameters
    ----------
    publishers : sequence of Publisher
        None of them is fine: then nobody is told.
    """

    def __init__(self, publishers: Sequence[Publisher]) -> None:
        self._publishers = tuple(publishers)

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot everywhere."""
        for publisher in self._publishers:
            publisher.publish(snapshot)

    def close(self) -> None:
        """Close all of them, also where one of them cannot."""
        with ExitStack() as stack:
            for publisher in reversed(self._publishers):
                stack.callback(publisher.close)
