"""Few-shot classifiers: supports and queries in, scores of the classes out.

One fit may answer in several ways (other rules, other thresholds); each way is a
variant, a row of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import softmax_scores
from specklenn.core.evaluation.few_shot import Draw, Indices
from specklenn.core.heads.head import ClassScores, Features, Head, Task

ScoreFn = Callable[[Indices], Sequence[ClassScores]]
"""Rows of queries (Q,) to their scores (Q, classes), for every variant."""

FeatureScoreFn = Callable[[Features], Sequence[ClassScores]]
"""Features of queries (Q, …) to their scores (Q, classes), for every variant."""

FitFeatures = Callable[[Features, Indices, int], FeatureScoreFn]
"""Features of supports (S, …), the number of the class of each (S,) and a seed."""

TrainedOn = Literal["own data", "--train", "supports", "nothing"]


@dataclass(frozen=True, kw_only=True)
class MethodVariant:
    """What a table calls one way of a classifier to answer.

    Parameters
    ----------
    method : str
    variant : str
        Its rule, threshold or features.
    trained_on : {"own data", "--train", "supports", "nothing"}
        Where what it learned is from: data of its own before these, the files of
        ``--train``, the supports alone, or nowhere.
    sees_supports : bool
        Whether the supports of a sample change anything.
    """

    method: str
    variant: str
    trained_on: TrainedOn
    sees_supports: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotClassifier:
    """Classifies patterns of one set, which are given by their rows.

    Parameters
    ----------
    variants : tuple of MethodVariant
        What the tables call its answers, in the order of the scores.
    features : (N, …) float32
        Of all patterns.
    fit_features : function
        Fits on features of supports; returns a function from features to scores.
    """

    variants: tuple[MethodVariant, ...]
    features: Features
    fit_features: FitFeatures

    def fit(self, draw: Draw) -> ScoreFn:
        """Fit on the supports of a draw; returns a function from rows to scores."""
        supports = self.features[draw.supports]
        measure = self.fit_features(supports, draw.support_classes, draw.seed)
        return lambda queries: measure(self.features[queries])


def model_classifier(
    name: str, features: Features, heads: Mapping[str, Head]
) -> FewShotClassifier:
    """Return a model, a variant for each head.

    Parameters
    ----------
    name : str
    features : (N, F) float32
        See `specklenn.core.network.features`.
    heads : dict of str to Head
        By what the tables call them.
    """

    def fit(supports: Features, classes: Indices, seed: int) -> FeatureScoreFn:
        task = Task(
            supports=supports, classes=classes, n_classes=int(classes.max()) + 1
        )
        fitted = [head.fit(task) for head in heads.values()]
        return lambda queries: [one(queries) for one in fitted]

    variants = [
        MethodVariant(
            method=name, variant=variant, trained_on="own data", sees_supports=True
        )
        for variant in heads
    ]
    return FewShotClassifier(
        variants=tuple(variants), features=features, fit_features=fit
    )


def scores_of_distances(distances: npt.NDArray[np.floating]) -> ClassScores:
    """Return scores for methods that know distances (Q, classes) alone."""
    found = np.asarray(distances, np.float32)
    return ClassScores(distances=found, scores=softmax_scores(found, 1.0))


def scores_of_labels(labels: Indices, n_classes: int) -> ClassScores:
    """Return scores for methods that know labels (Q,) alone."""
    others = labels[:, None] != np.arange(n_classes)
    return scores_of_distances(others.astype(np.float32))
