"""Saves screenshots of the window at set times."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common.screenshot import write_screenshot
from specklenn.gui.monitor.state import MonitorState
from specklenn.gui.monitor.view import Freshness

AGAIN_AFTER_S = 2.0
ENDED = (Freshness.FINISHED, Freshness.FAILED)


class ScreenshotTimer:
    """Keeps a screenshot of the window in a file.

    Parameters
    ----------
    window : QWidget
        What to draw.
    state : MonitorState
        Tells whether data came and whether the run has ended.
    target : Path
        The file.
    after_s : float
        Seconds until the first picture.
    until_finished : bool
        Take pictures until the run has ended, not only one.
    done : callable
        Called after the last picture.
    clock : callable
        Seconds, never going back.

    Attributes
    ----------
    target : Path
    written : bool
        Whether there is a picture of this window.
    problem : str
        Why the last one could not be written.
    """

    def __init__(
        self,
        window: QtWidgets.QWidget,
        state: MonitorState,
        target: Path,
        *,
        after_s: float,
        until_finished: bool,
        done: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window
        self._state = state
        self.target = target
        self._until_finished = until_finished
        self._done = done
        self._clock = clock
        self._due_s = clock() + after_s
        self._ended_before = False
        self.written = False
        self.problem = ""

    def take_if_due(self) -> None:
        """Take a picture if one is due; to be called after every refresh.

        The last one waits for a second refresh after the end: what the first one
        brought has found its place in the window by then.
        """
        ended_now = self._until_finished and self._state.freshness() in ENDED
        ended = ended_now and self._ended_before
        self._ended_before = ended_now
        if not ended and self._clock() < self._due_s:
            return
        self._due_s = self._clock() + AGAIN_AFTER_S
        try:
            write_screenshot(self._window.grab(), self.target)
            self.written = True
        except OSError as error:
            self.problem = f"no picture written: {error}"
        if ended or not self._until_finished or self.problem:
            self._done()
