"""Which shot to label next, so that few labels say much.

Two ideas. *Representative*, by the distances between embedded patterns: the shot
that many unlabelled shots resemble more than they resemble any labelled one;
it begins with the commonest kind of pattern and passes outliers by (the farthest
shot from all labels, the usual textbook choice, is an outlier as a rule, and
supports made of outliers are worse than random ones). *Least certain*, by the scores
that the labelled shots give: the tenth of the shots with the smallest margin between
the two likeliest classes, and of these the most representative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Embeddings
from specklenn.core.heads.head import Features, Head, Task
from specklenn.core.labels import ABSTENTIONS, NO_HIT

PER_CLASS = 3
"""Labels of each class before certainty is asked for."""

UNCERTAIN_SHARE = 0.1

NO_CLASSES = ("", NO_HIT, *ABSTENTIONS)
"""Labels that say nothing about where a class of hits lies."""

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Suggestion:
    """A shot to look at.

    Parameters
    ----------
    position : int
        Position among the shots that were embedded.
    reason : str
        For people.
    """

    position: int
    reason: str


class ActiveLearner:
    """Suggests shots of a run.

    Parameters
    ----------
    features : (N, F) float32
        Of the shots.
    embeddings : (N, D) float32, unit length
        Of the same; N squared distances are kept, in float32.
    classes : sequence of str
        Classes that the shots belong to.
    head_for : function
        From the classes that have labels to the head that classifies by them.
    """

    def __init__(
        self,
        features: Features,
        embeddings: Embeddings,
        classes: Sequence[str],
        head_for: Callable[[Sequence[str]], Head],
    ) -> None:
        self._features = features
        self._classes = tuple(classes)
        self._head_for = head_for
        self._distances = pair_distances(embeddings)

    def suggest(
        self, labels: npt.NDArray[np.str_], passed: npt.NDArray[np.bool_]
    ) -> Suggestion | None:
        """Return the most informative shot, or None when every one has been seen.

        Parameters
        ----------
        labels : (N,) str
            Labels of the shots, empty where there is none.
        passed : (N,) bool
            Shots that were looked at and left without a label.
        """
        seen = (labels != "") | passed
        free = np.flatnonzero(~seen)
        if len(free) == 0:
            return None
        if not self._ask_for_certainty(labels):
            return self._representative(free, seen)
        return self._uncertain(free, seen, labels)

    def guess(self, position: int, labels: npt.NDArray[np.str_]) -> str:
        """Return the class that the other labels give a shot; empty if below two."""
        others = labels.copy()
        others[position] = ""
        if len(self._known(others)) < 2:
            return ""
        names, scores = self._scores(np.array([position]), others)
        return names[int(scores[0].argmax())]

    def _known(self, labels: npt.NDArray[np.str_]) -> list[str]:
        """Return the classes that have labels, in the order of all classes."""
        found = set(labels.tolist()).difference(NO_CLASSES)
        own = [name for name in self._classes if name in found]
        return own + sorted(found.difference(own))

    def _ask_for_certainty(self, labels: npt.NDArray[np.str_]) -> bool:
        """Return whether the next shot should be a doubtful one.

        Every second one only, while a class has few labels or none at all.
        """
        counts = [int((labels == name).sum()) for name in self._classes]
        number = int((labels != "").sum())
        if number < PER_CLASS * len(counts) or len(self._known(labels)) < 2:
            return False
        return min(counts) >= PER_CLASS or number % 2 == 1

    def _representative(
        self, free: Positions, seen: npt.NDArray[np.bool_]
    ) -> Suggestion:
        gains = self._gains(free, seen)
        best = int(free[gains.argmax()])
        if not seen.any():
            return Suggestion(best, "the most typical shot, to begin with")
        alike = int((self._distances[:, best] < self._nearest_seen(seen)).sum())
        return Suggestion(best, f"stands for {alike} shots unlike those labelled")

    def _uncertain(
        self,
        free: Positions,
        seen: npt.NDArray[np.bool_],
        labels: npt.NDArray[np.str_],
    ) -> Suggestion:
        names, scores = self._scores(free, labels)
        order = np.argsort(-scores, axis=1, kind="stable")
        rows = np.arange(len(free))
        margins = scores[rows, order[:, 0]] - scores[rows, order[:, 1]]
        number = max(1, round(UNCERTAIN_SHARE * len(free)))
        doubtful = np.argsort(margins, kind="stable")[:number]
        chosen = int(doubtful[self._gains(free[doubtful], seen).argmax()])
        first, second = (names[int(k)] for k in order[chosen, :2])
        return Suggestion(int(free[chosen]), f"uncertain: {first} or {second}?")

    def _scores(
        self, positions: Positions, labels: npt.NDArray[np.str_]
    ) -> tuple[list[str], npt.NDArray[np.float32]]:
        names = self._known(labels)
        members = np.flatnonzero(np.isin(labels, names))
        codes = np.array([names.index(label) for label in labels[members]])
        task = Task(
            supports=self._features[members],
            classes=codes,
            n_classes=len(names),
            unlabelled=self._features,
        )
        fitted = self._head_for(names).fit(task)
        return names, fitted(self._features[positions]).scores

    def _nearest_seen(self, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the distance of each shot to the nearest one seen, 2 if there is none.

        No two unit vectors are farther apart than 2.
        """
        none = np.float32(2.0)
        nearest: npt.NDArray[np.float32] = self._distances[:, seen].min(
            axis=1, initial=none
        )
        return nearest

    def _gains(
        self, candidates: Positions, seen: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """Return what each candidate gains as the next facility location.

        That is the sum over all shots of the drop in distance to the nearest one seen.
        """
        nearest = self._nearest_seen(seen)[:, None]
        shorter = np.maximum(nearest - self._distances[:, candidates], 0)
        gains: npt.NDArray[np.float32] = shorter.sum(axis=0)
        return gains


def pair_distances(vectors: Embeddings) -> npt.NDArray[np.float32]:
    """Return the Euclidean distances between unit vectors (N, D) as (N, N) float32."""
    squares = 2.0 - 2.0 * (vectors @ vectors.T)
    np.fill_diagonal(squares, 0.0)
    distances: npt.NDArray[np.float32] = np.sqrt(np.maximum(squares, 0.0))
    return distances
