"""SIGINT and SIGTERM as a call in the window's own loop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyqtgraph.Qt import QtCore

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_interrupt(leave: Callable[[], None]) -> Iterator[None]:
    """Call `leave` soon after a signal, however long the loop would sleep.

    Python runs its handlers between any two of its instructions, also in the middle
    of a drawing, when no window may be closed. So the handler does nothing; the byte
    that Python writes to a socket for each signal wakes the event loop, which leaves.
    """

    def received() -> None:
        if set(SIGNALS).intersection(inner.recv(64)):
            leave()

    inner, outer = socket.socketpair()
    inner.setblocking(False)
    outer.setblocking(False)
    notifier = QtCore.QSocketNotifier(inner.fileno(), QtCore.QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda *_: received())
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
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
