"""Few-shot classifiers: supports and queries in, distances to the classes out.

One fit may answer in several ways (other rules, other thresholds); each way is a
variant, a row of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import PrototypeFn, Rule, class_distances
from specklenn.core.evaluation.few_shot import Draw, Indices

Features = npt.NDArray[np.float32]
Distances = npt.NDArray[np.floating]

DistanceFn = Callable[[Indices], Sequence[Distances]]
"""Rows of queries (Q,) to their distances (Q, classes), for every variant."""

FeatureDistanceFn = Callable[[Features], Sequence[Distances]]
"""Features of queries (Q, …) to their distances (Q, classes), for every variant."""

FitFeatures = Callable[[Features, Indices, int], FeatureDistanceFn]
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
        What the tables call its answers, in the order of the distances.
    features : (N, …) float32
        Of all patterns.
    fit_features : function
        Fits on features of supports; returns a function from features to distances.
    """

    variants: tuple[MethodVariant, ...]
    features: Features
    fit_features: FitFeatures

    def fit(self, draw: Draw) -> DistanceFn:
        """Fit on the supports of a draw; returns a function from rows to distances."""
        supports = self.features[draw.supports]
        measure = self.fit_features(supports, draw.support_classes, draw.seed)
        return lambda queries: measure(self.features[queries])


def embedding_classifier(
    name: str,
    embeddings: Features,
    rules: Sequence[Rule],
    prototype_fn: PrototypeFn | None = None,
) -> FewShotClassifier:
    """Return a model, a variant for each rule.

    Parameters
    ----------
    name : str
    embeddings : (N, D) float32, unit length
    rules : sequence of Rule
        The first is the model's own.
    prototype_fn : function, optional
        The model's, for these classes.
    """
    unlike = tuple(dict.fromkeys(rules))

    def fit(supports: Features, classes: Indices, seed: int) -> FeatureDistanceFn:
        number = int(classes.max()) + 1
        return lambda queries: [
            class_distances(queries, supports, classes, number, rule, prototype_fn)
            for rule in unlike
        ]

    variants = [
        MethodVariant(
            method=name,
            variant=rule if place else f"{rule} (own)",
            trained_on="own data",
            sees_supports=True,
        )
        for place, rule in enumerate(unlike)
    ]
    return FewShotClassifier(
        variants=tuple(variants), features=embeddings, fit_features=fit
    )
