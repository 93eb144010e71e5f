"""The head of one distance: the nearest class wins (paper, section 3.6)."""

from __future__ import annotations

from dataclasses import dataclass

from specklenn.core.distances import (
    DistanceFn,
    DistanceRule,
    PrototypeFn,
    make_distance_fn,
    softmax_scores,
)
from specklenn.core.heads.head import (
    ClassScores,
    FeatureLayout,
    Features,
    FittedHead,
    Task,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceHead:
    """Classifies by distances between embeddings.

    Parameters
    ----------
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
        How the supports of a class give one distance, see
        `specklenn.core.distances.make_distance_fn`.
    layout : FeatureLayout
    temperature : float
        Scores are the softmax of -distance / temperature.
    prototype_fn : function, optional
        The model's, for the rule "learned".
    """

    rule: DistanceRule
    layout: FeatureLayout
    temperature: float
    prototype_fn: PrototypeFn | None = None

    def fit(self, task: Task) -> FittedHead:
        """Fit to supports; unlabelled shots change nothing."""
        distance_fn = make_distance_fn(
            self.layout.embeddings(task.supports),
            task.classes,
            task.n_classes,
            self.rule,
            self.prototype_fn,
        )
        return _FittedDistanceHead(distance_fn, self.layout, self.temperature)


@dataclass(frozen=True, eq=False)
class _FittedDistanceHead:
    distance_fn: DistanceFn
    layout: FeatureLayout
    temperature: float

    def __call__(self, features: Features) -> ClassScores:
        distances = self.distance_fn(self.layout.embeddings(features))
        scores = softmax_scores(distances, self.temperature)
        return ClassScores(distances=distances, scores=scores)
