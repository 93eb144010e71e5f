"""Where the collector's results go: files, windows, the terminal."""

from __future__ import annotations

from typing import Protocol

from specklenn.core.messages import Snapshot
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.versions import Version


class Sink(Protocol):
    """Keeps accepted shots: results.h5, hits.cxi."""

    def use(self, version: Version) -> None:
        """Record a version before any of its rows can come."""

    def write(self, report: Report) -> None:
        """Take a report whose rows are all new."""

    def flush(self) -> None:
        """Make what was written readable by others."""

    def close(self) -> None:
        """Write what is left."""


class Publisher(Protocol):
    """Sends snapshots to windows."""

    def publish(self, snapshot: Snapshot) -> None:
        """Send without waiting for anybody."""

    def close(self) -> None:
        """Close the socket."""


class Progress(Protocol):
    """Shows a person how the run goes."""

    def update(self, state: RunState, now_s: float) -> None:
        """Draw the state."""

    def close(self) -> None:
        """Stop drawing; the last state stays on the screen."""
