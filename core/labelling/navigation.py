"""Which shot is shown, why, and which one comes before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.labelling.active_learning import Suggestion

ALL, UNLABELLED = "all", "unlabelled"
IN_ORDER, SEEN_BEFORE = "in the order of the run", "seen before"


class ShotLabels(Protocol):
    """Labels by shot, on disk; `specklenn.core.labelling.label_store` has a run's."""

    @property
    def labels(self) -> Mapping[int, str]:
        """Label of each labelled shot, those given last at the end."""

    def label_of(self, shot: int) -> str:
        """Return the label of a shot, empty for none."""

    def set(self, shot: int, label: str) -> None:
        """Label a shot and save; an empty label takes its label away."""

    def undo(self) -> int | None:
        """Take the last change of this sitting back; returns its shot, or None."""

    def counts(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return how many shots have each label."""

    def save(self) -> None:
        """Write the file."""


class Suggests(Protocol):
    """Says which shot comes next, by its position among those offered."""

    def suggest(
        self, labels: npt.NDArray[np.str_], passed: npt.NDArray[np.bool_]
    ) -> Suggestion | None:
        """Return the next shot, or None when every one has been seen."""

    def guess(self, position: int, labels: npt.NDArray[np.str_]) -> str:
        """Return the class that the other labels give a shot; empty if not known."""


class Navigation:
    """The way through the shots of a run.

    Parameters
    ----------
    shots : (N,) int64, increasing
        Shots that are offered.
    store : ShotLabels
    learner : Suggests or None
        That suggests shots, by their position in `shots`; without one they come in
        the order of the run.

    Attributes
    ----------
    reason : str
        Why the shot is shown.
    filter_name : str
        Which shots are walked through: all, unlabelled, or those of one label.
    """

    def __init__(
        self,
        shots: npt.NDArray[np.int64],
        store: ShotLabels,
        learner: Suggests | None,
    ) -> None:
        self.reason, self.filter_name = "", ALL
        self._shots = shots
        self._store = store
        self._learner = learner
        self._passed: set[int] = set()
        self._trail: list[int] = []
        self._at = -1

    @property
    def shot(self) -> int:
        """Number of the shot that is shown."""
        return self._trail[self._at]

    @property
    def suggests(self) -> bool:
        """Whether suggestions are walked through: not the shots of one class."""
        return self._learner is not None and self.filter_name in (ALL, UNLABELLED)

    def labels(self) -> npt.NDArray[np.str_]:
        """Return the label of each shot offered (N,), empty where there is none."""
        return np.array([self._store.label_of(int(shot)) for shot in self._shots])

    def listed(self) -> npt.NDArray[np.int64]:
        """Return the shots that pass the filter."""
        if self.filter_name == ALL:
            return self._shots
        wanted = "" if self.filter_name == UNLABELLED else self.filter_name
        listed: npt.NDArray[np.int64] = self._shots[self.labels() == wanted]
        return listed

    def place(self) -> int:
        """Return which of those listed the shot is, from 1; 0 if it is none of them."""
        listed = self.listed()
        place = int(np.searchsorted(listed, self.shot))
        inside = place < len(listed) and listed[place] == self.shot
        return place + 1 if inside else 0

    def guess(self) -> str:
        """Return the class nearest to the shot, empty where that is not known."""
        if self._learner is None:
            return ""
        position = int(np.searchsorted(self._shots, self.shot))
        return self._learner.guess(position, self.labels())

    def start(self, filter_name: str) -> bool:
        """Begin where a filter begins; returns False if no shot passes it.

        Then all shots are walked through.
        """
        self.filter_name = filter_name
        found = len(self.listed()) > 0
        if not found:
            self.filter_name = ALL
        self._trail, self._at = [], -1
        if not (self.suggests and self.suggest()):
            self.show(int(self.listed()[0]), IN_ORDER)
        return found

    def next(self) -> bool:
        """Show the shot after this one; returns False where there is none.

        That is the one seen before after it, a suggestion, or the next in the run.
        """
        if self._at + 1 < len(self._trail):
            self._at, self.reason = self._at + 1, SEEN_BEFORE
            return True
        if self.suggests:
            return self.suggest()
        listed = self.listed()
        behind = listed[listed > self.shot]
        if len(behind) == 0:
            return False
        self.show(int(behind[0]), IN_ORDER)
        return True

    def back(self) -> bool:
        """Show the shot before this one; returns False where there is none."""
        if self._at > 0:
            self._at, self.reason = self._at - 1, SEEN_BEFORE
            return True
        listed = self.listed()
        before = listed[listed < self.shot]
        if len(before) == 0:
            return False
        self._trail.insert(0, int(before[-1]))
        self.reason = IN_ORDER
        return True

    def suggest(self) -> bool:
        """Show the most informative shot; returns False where there is none."""
        if self._learner is None:
            return False
        passed = np.isin(self._shots, list(self._passed))
        found = self._learner.suggest(self.labels(), passed)
        if found is None:
            return False
        self.show(int(self._shots[found.position]), found.reason)
        return True

    def show(self, shot: int, reason: str) -> None:
        """Go to a shot; `back` leads to the one shown now."""
        if not self._trail or self.shot != shot:
            self._trail = [*self._trail[: self._at + 1], shot]
            self._at = len(self._trail) - 1
        self.reason = reason

    def pass_by(self) -> None:
        """Do not suggest the shot again."""
        self._passed.add(self.shot)
