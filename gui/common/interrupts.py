"""SIGINT and SIGTERM as a call in the window's own loop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pyqtgraph.Qt import QtCore

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_interrupt(leave: Callable[[], None]) -> Iterator[None]:
    """Call `leave` soon after a signal, however long the loop would sleep.

    Python runs its handlers between two of its own instructions only; a byte on a
    socket wakes the event loop so that there is one.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        leave()

    inner, outer = socket.socketpair()
    inner.setblocking(False)
    outer.setblocking(False)
    notifier = QtCore.QSocketNotifier(inner.fileno(), QtCore.QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda *_: inner.recv(64))
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    woken = signal.set_wakeup_fd(outer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        notifier.setEnabled(False)
        inner.close()
        outer.close()
