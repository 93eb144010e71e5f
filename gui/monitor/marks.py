"""Times at which a run began again, or its model or supports changed."""

from __future__ import annotations

from itertools import pairwise

from specklenn.core.messages import Snapshot, VersionStatus

MOST_MARKS = 50

Mark = tuple[float, str]
"""Unix epoch, seconds, and words."""


class Marks:
    """What is marked on the time axis, of all sessions that were seen.

    Changes of model and supports stand in every snapshot, so a window that was opened
    after them marks them too.
    """

    def __init__(self) -> None:
        self._restarts: list[Mark] = []
        self._swaps: dict[tuple[str, int], Mark] = {}

    @property
    def all(self) -> tuple[Mark, ...]:
        """The last marks, oldest first."""
        return tuple(sorted([*self._restarts, *self._swaps.values()])[-MOST_MARKS:])

    def merge(self, before: Snapshot | None, now: Snapshot) -> None:
        """Take over what is new in a snapshot."""
        if before is not None:
            words = _restart_words(before, now)
            if words:
                self._restarts.append((_begin_s(before, now), ", ".join(words)))
        uses = _uses(now)
        for (_, earlier), (when_ns, later) in pairwise(uses):
            words = _changes(earlier, later)
            if words:
                mark = when_ns / 1e9, ", ".join(words)
                self._swaps[now.session, when_ns] = mark
        for old in [*self._swaps][:-MOST_MARKS]:
            del self._swaps[old]


def _uses(snapshot: Snapshot) -> list[tuple[int, VersionStatus]]:
    """Return what was used in turn, and since when."""
    uses = [
        (when, version) for version in snapshot.versions for when in version.since_ns
    ]
    return sorted(uses, key=lambda use: use[0])


def _changes(before: VersionStatus, now: VersionStatus) -> list[str]:
    words = []
    if before.support_version != now.support_version:
        words.append(f"support v{now.support_version}")
    if before.model_version != now.model_version:
        words.append(f"model v{now.model_version}")
    if before.fit_version != now.fit_version and now.fit_version:
        words.append(f"fit v{now.fit_version}")
    return words


def _restart_words(before: Snapshot, now: Snapshot) -> list[str]:
    """Say that another run or session begins, and with what, where that changes."""
    words = []
    if (before.experiment, before.run) != (now.experiment, now.run):
        words.append(f"run {now.run}")
    elif before.session != now.session:
        words.append("restart")
    last, first = _uses(before)[-1:], _uses(now)[:1]
    if words and last and first:
        words.extend(_changes(last[0][1], first[0][1]))
    return words


def _begin_s(before: Snapshot, now: Snapshot) -> float:
    """When a change happened: where a new session's own history begins."""
    earliest_s, latest_s = before.wall_ns / 1e9, now.wall_ns / 1e9
    if before.session == now.session or not len(now.history_s):
        return latest_s
    begun_s = float(now.history_s[0])
    return begun_s if earliest_s <= begun_s <= latest_s else latest_s
