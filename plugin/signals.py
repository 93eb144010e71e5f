"""What SIGINT and SIGTERM do to a command.

How a run ends then: `plugin.live.collector`; windows: `gui.common.interrupts`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """A stop that a signal asks for; the program looks at it at safe points.

    A signal handler that raises would raise inside libraries as well, some of which
    turn it into errors of their own. So only a second signal does that.
    """

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        """Ask for it; to be called on a signal.

        Raises
        ------
        KeyboardInterrupt
            If it was asked for before.
        """
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def obey(self) -> None:
        """Stop here if it was asked for.

        Raises
        ------
        KeyboardInterrupt
        """
        if self._asked:
            raise KeyboardInterrupt


@contextmanager
def on_signals(call: Callable[[], None]) -> Iterator[None]:
    """Call a function on SIGINT and SIGTERM instead of dying in the middle."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: call()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
