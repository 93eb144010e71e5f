"""Opens the window and runs its event loop to the end."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pyqtgraph
from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common.interrupts import on_interrupt
from specklenn.gui.monitor.controller import MonitorController
from specklenn.gui.monitor.screenshot_timer import ScreenshotTimer
from specklenn.gui.monitor.state import MonitorState
from specklenn.gui.monitor.stream import SnapshotStream
from specklenn.gui.monitor.window import MonitorWindow

USUAL_SIZE = (1600, 900)
SMALLEST_SIZE = (1024, 600)
OFF_SCREEN = "offscreen"
REPEAT_AFTER_S = 60.0


def run(
    stream: SnapshotStream,
    *,
    refresh_hz: float,
    size: tuple[int, int] | None,
    screenshot: Path | None,
    after_s: float,
    until_finished: bool,
) -> int:
    """Open the window and return the exit code when it is closed.

    Parameters
    ----------
    stream : SnapshotStream
        Closed at the end.
    refresh_hz : float
        Refreshes per second.
    size : tuple of int or None
        Width and height in pixels.
    screenshot : Path or None
        File for a picture of the window, which then ends by itself.
    after_s : float
        Seconds until the first picture.
    until_finished : bool
        Whether to renew the picture until the run has ended.
    """
    try:
        app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["specklenn"])
        pyqtgraph.setConfigOptions(imageAxisOrder="row-major", antialias=False)
        state = MonitorState()
        window = MonitorWindow(stream.endpoint)
        window.resize(*(size or _usual_size(app)))
        if app.platformName() != OFF_SCREEN:
            window.setMinimumSize(*SMALLEST_SIZE)
        screenshot_timer = None
        if screenshot is not None:
            screenshot_timer = ScreenshotTimer(
                window,
                state,
                screenshot,
                after_s=after_s,
                until_finished=until_finished,
                done=app.quit,
            )
        take = screenshot_timer.take_if_due if screenshot_timer else lambda: None
        monitor = MonitorController(
            stream, state, window, refresh_hz=refresh_hz, after_refresh=take
        )
        with reported_exceptions(window), on_interrupt(app.quit):
            window.show()
            monitor.start()
            app.exec()
        monitor.stop()
        window.close()
        return _exit_code(stream, state, screenshot_timer)
    finally:
        stream.close()


def _exit_code(
    stream: SnapshotStream,
    state: MonitorState,
    screenshot_timer: ScreenshotTimer | None,
) -> int:
    if screenshot_timer is None:
        return 0
    problem = screenshot_timer.problem
    if not problem and state.newest is None:
        problem = f"no data came from {stream.endpoint}"
        if stream.last_problem:
            problem += f", only bad messages: {stream.last_problem}"
    if problem:
        print(f"specklenn monitor: {problem}", file=sys.stderr)
    if screenshot_timer.written:
        print(f"wrote {screenshot_timer.target}")
    return 1 if problem else 0


def _usual_size(app: QtWidgets.QApplication) -> tuple[int, int]:
    """Usual size, cut to the screen where there is a real one."""
    if app.platformName() == OFF_SCREEN:
        return USUAL_SIZE
    room = app.primaryScreen().availableGeometry()
    return min(USUAL_SIZE[0], room.width()), min(USUAL_SIZE[1], room.height())


@contextmanager
def reported_exceptions(window: MonitorWindow) -> Iterator[None]:
    """Tell of exceptions in slots on stderr and in the window, which lives on."""
    told: dict[str, float] = {}

    def tell(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sentence = f"internal error: {kind.__name__}: {error}"
        window.set_message(sentence)
        now = time.monotonic()
        if now - told.get(sentence, -REPEAT_AFTER_S) >= REPEAT_AFTER_S:
            told[sentence] = now
            traceback.print_exception(kind, error, trace)

    before = sys.excepthook
    sys.excepthook = tell
    try:
        yield
    finally:
        sys.excepthook = before
