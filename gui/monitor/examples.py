"""The newest examples of every class, kept over lost messages; no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from specklenn.core.messages import Example, Snapshot
from specklenn.gui.monitor.view import SeenExample

EXAMPLES_PER_CLASS = 6
OLDEST_S = 86_400.0
"""Recorded longer ago: a file is replayed, and its stamps tell nothing of now."""


@dataclass(frozen=True, eq=False)
class _Held:
    """An example and when this window saw it first."""

    example: Example
    seen_s: float


class NewestExamples:
    """Examples of one session."""

    def __init__(self) -> None:
        self._session = ""
        self._wall_ns = 0
        self._held: dict[str, list[_Held]] = {}

    def merge(self, snapshot: Snapshot, now_s: float) -> None:
        """Take over what is new; another session clears them."""
        if snapshot.session != self._session:
            self._held = {}
        self._session = snapshot.session
        self._wall_ns = snapshot.wall_ns
        self._held = {
            name: self._merged(name, snapshot.examples, now_s)
            for name in snapshot.classes
        }

    def seen(self, name: str, now_s: float, silent_s: float) -> tuple[SeenExample, ...]:
        """Examples of a class, newest first.

        Parameters
        ----------
        name : str
            Class.
        now_s, silent_s : float
            This machine's clock, and seconds since the last message.
        """
        return tuple(
            SeenExample(
                (self._session, item.example.index, item.example.timestamp_ns),
                item.example,
                self._age_s(item, now_s, silent_s),
            )
            for item in self._held.get(name, ())
        )

    def _merged(
        self, name: str, examples: tuple[Example, ...], now_s: float
    ) -> list[_Held]:
        known = {_order(item.example): item for item in self._held.get(name, ())}
        for example in examples:
            if example.label == name:
                known.setdefault(_order(example), _Held(example, now_s))
        newest = sorted(known, reverse=True)[:EXAMPLES_PER_CLASS]
        return [known[order] for order in newest]

    def _age_s(self, item: _Held, now_s: float, silent_s: float) -> float:
        """Age by the collector's clock; by first sight for shots replayed later."""
        age_s = (self._wall_ns - item.example.timestamp_ns) / 1e9 + silent_s
        return age_s if 0 <= age_s < OLDEST_S else max(0.0, now_s - item.seen_s)


def _order(example: Example) -> tuple[int, int]:
    return (example.timestamp_ns, example.index)
