"""Tells of events that cannot be read: once for each reason, not once for each."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class UnreadableEvents:
    """Events of one batch that cannot be read.

    Parameters
    ----------
    where : str
        What is read, for people.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._shots: dict[str, list[int]] = {}

    def add(self, shot: int, reason: str) -> None:
        """Note a shot."""
        self._shots.setdefault(reason, []).append(shot)

    def tell(self) -> None:
        """Write them into the log."""
        for reason, shots in self._shots.items():
            which = f"{len(shots)} shots between {shots[0]} and {shots[-1]}"
            if len(shots) == 1:
                which = f"shot {shots[0]}"
            log.warning("%s: %s cannot be read: %s", self._where, which, reason)
