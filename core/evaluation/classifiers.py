"""Few-shot classifiers: supports and queries in, distances to the classes out.

One fit may answer in several ways (other rules, other thresholds); each way is a
variant, a row of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import PrototypeFn, Rule, class_distances
from specklenn.core.evaluation.few_shot import Indices

Features = npt.NDArray[np.float32]
Distances = npt.NDArray[np.floating]

DistanceFn = Callable[[Indices], Sequence[Distances]]
"""Rows of queries (Q,) to their distances (Q, classes), for every variant."""

FeatureDistanceFn = Callable[[Features], Sequence[Distances]]
"""Features of queries (Q, …) to their distances (Q, classes), for every variant."""

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


class FewShotClassifier(Protocol):
    """Classifies patterns of one set, which are given by their rows."""

    @property
    def variants(self) -> tuple[MethodVariant, ...]:
        """What the tables call its answers, in the order of the distances."""

    def fit(self, supports: Indices, classes: Indices, seed: int) -> DistanceFn:
        """Return what measures queries.

        Parameters
        ----------
        supports : (S,) int64
            Rows of the supports.
        classes : (S,) int64
            Number of the class of each, from 0 without gaps.
        seed : int
            For random numbers.
        """


class FitFeatures(Protocol):
    """Fits on features of supports; returns a function from features to distances."""

    def __call__(
        self, supports: Features, classes: Indices, seed: int
    ) -> FeatureDistanceFn:
        """Return what measures queries.

        Parameters
        ----------
        supports : (S, …) float32
        classes : (S,) int64
        seed : int
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureClassifier:
    """A classifier that looks at features of the patterns.

    Parameters
    ----------
    variants : tuple of MethodVariant
    features : (N, …) float32
        Of all patterns.
    fit_features : FitFeatures
    """

    variants: tuple[MethodVariant, ...]
    features: Features
    fit_features: FitFeatures

    def fit(self, supports: Indices, classes: Indices, seed: int) -> DistanceFn:
        """Return what measures queries, see `FewShotClassifier`."""
        measure = self.fit_features(self.features[supports], classes, seed)
        return lambda queries: measure(self.features[queries])


def embedding_classifier(
    name: str,
    embeddings: Features,
    rules: Sequence[Rule],
    prototype_fn: PrototypeFn | None = None,
) -> FeatureClassifier:
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
    return FeatureClassifier(
        variants=tuple(variants), features=embeddings, fit_features=fit
    )
