"""What psana's own process has sent and a worker has not taken yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from specklenn.plugin.sources.psana.messages import Kind, Message

EVENTS = (Kind.SHOT, Kind.LOST)


class EventBuffer:
    """Receives messages in a thread, so that psana need not wait for a batch.

    Parameters
    ----------
    receive : function returning the next message, None at the end
    most : int
        Events that wait here.
    lossless : bool
        When it is full: let psana wait, or else lose the oldest event.

    Attributes
    ----------
    lost : int
        Events that were lost here.
    """

    def __init__(
        self, receive: Callable[[], Message | None], most: int, lossless: bool
    ) -> None:
        self.lost = 0
        self._receive = receive
        self._most = most
        self._lossless = lossless
        self._messages: deque[Message] = deque()
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the sender is gone and all it sent was taken."""
        with self._changed:
            return self._ended and not self._messages

    def take(self, most: int, timeout_s: float) -> list[Message]:
        """Return up to `most` messages; none if none came within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._ended, timeout_s)
            number = min(most, len(self._messages))
            taken = [self._messages.popleft() for _ in range(number)]
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """End the thread; the sender must have ended before."""
        with self._changed:
            self._lossless = False
            self._changed.notify_all()
        self._thread.join()

    def _fill(self) -> None:
        while (message := self._receive()) is not None:
            with self._changed:
                self._make_room()
                self._messages.append(message)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _make_room(self) -> None:
        if self._lossless:
            self._changed.wait_for(
                lambda: len(self._messages) < self._most or not self._lossless
            )
        while len(self._messages) >= self._most and self._lose_oldest():
            self.lost += 1

    def _lose_oldest(self) -> bool:
        """Drop the oldest event, but no message of a run's beginning or end."""
        for position, message in enumerate(self._messages):
            if message.kind in EVENTS:
                del self._messages[position]
                return True
        return False
