"""The decision: from embedded patterns to their classes; NumPy only.

A `DecisionRule` is made of the supports and decides about any number of embedded
patterns. Only here do distances become scores, labels and rejections. Another way to
decide (a classification head, say, that makes class probabilities of the supports)
belongs here too, with the same method `decide` and the same `Decision`; a classifier
has one of them, and a model update makes a new classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import (
    DistanceFn,
    Distances,
    Embeddings,
    softmax_scores,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What is decided about some patterns.

    Parameters
    ----------
    distances : (B, classes) float32, 0 to 2
        To each class of the supports.
    scores : (B, classes) float32, 0 to 1
        Probabilities of the classes, which sum to one.
    codes : (B,) int64
        Number of the class of each pattern; the number of classes, one more than the
        last, where it is unknown.
    """

    distances: Distances
    scores: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]

    @property
    def rejected(self) -> npt.NDArray[np.bool_]:
        """Which patterns are unknown, (B,) bool."""
        unknown: npt.NDArray[np.bool_] = self.codes == self.distances.shape[1]
        return unknown


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionRule:
    """The nearest class wins, unless even that is too far away.

    Parameters
    ----------
    distance_fn : function
        From vectors to their distances to the classes of the supports, see
        `specklenn.core.distances.make_distance_fn`.
    temperature : float
        Scores are the softmax of -distance / temperature.
    reject_above_distance : float or None
        Patterns farther than this from every class are unknown.
    """

    distance_fn: DistanceFn
    temperature: float
    reject_above_distance: float | None = None

    def decide(self, vectors: Embeddings) -> Decision:
        """Decide about embedded patterns, (B, D) float32 of unit length."""
        distances = self.distance_fn(vectors)
        codes = distances.argmin(axis=1)
        if self.reject_above_distance is not None:
            far = distances.min(axis=1) > self.reject_above_distance
            codes[far] = distances.shape[1]
        scores = softmax_scores(distances, self.temperature)
        return Decision(distances=distances, scores=scores, codes=codes)
