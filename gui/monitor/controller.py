"""Joins stream, state and window: one timer asks, merges and draws."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyqtgraph.Qt import QtCore

from specklenn.gui.monitor.state import MonitorState
from specklenn.gui.monitor.stream import SnapshotStream
from specklenn.gui.monitor.window import MonitorWindow

BUSY_SHARE = 0.6
"""Drawing may take this share of the time between two refreshes."""


class MonitorController:
    """A window that follows a stream.

    Parameters
    ----------
    stream : SnapshotStream
        Where snapshots come from.
    state : MonitorState
        Where they are merged.
    window : MonitorWindow
        Where they are drawn.
    refresh_hz : float
        Refreshes per second.
    after_refresh : callable
        Called at the end of each refresh.
    """

    def __init__(
        self,
        stream: SnapshotStream,
        state: MonitorState,
        window: MonitorWindow,
        *,
        refresh_hz: float = 5.0,
        after_refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self.stream = stream
        self.state = state
        self.window = window
        self._after_refresh = after_refresh
        self._period_ms = round(1000 / refresh_hz)
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self.refresh)
        window.chosen.connect(self.draw)
        window.resumed.connect(self.draw)

    def start(self) -> None:
        """Refresh as soon as the event loop runs, and from then on."""
        self._timer.start(self._period_ms)
        QtCore.QTimer.singleShot(0, self.refresh)

    def stop(self) -> None:
        """Refresh no more."""
        self._timer.stop()

    def refresh(self) -> None:
        """Take what is new and draw it."""
        begun = time.perf_counter()
        snapshot = self.stream.newest()
        if snapshot is not None:
            self.state.merge(snapshot)
        self.draw()
        self._after_refresh()
        self._keep_pace(1000 * (time.perf_counter() - begun))

    def draw(self) -> None:
        """Draw the state as it is, unless the picture is held."""
        if self.window.paused:
            return
        self.window.set_view(self.state.view(self.window.choices()))
        self.window.set_bad_messages(self.stream.bad_messages, self.stream.last_problem)

    def _keep_pace(self, took_ms: float) -> None:
        """Refresh less often where drawing is slow."""
        period_ms = max(self._period_ms, round(took_ms / BUSY_SHARE))
        if abs(period_ms - self._timer.interval()) > 0.1 * self._period_ms:
            self._timer.setInterval(period_ms)
