"""Methods that are compared: what each is trained on, and how well it classifies.

A method is features of the patterns and a function that fits a classifier to
supports. One fit may answer in several ways (other rules, other thresholds); each
way is a row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import PrototypeFn, Rule, class_distances
from specklenn.core.evaluation.draws import Draw
from specklenn.core.evaluation.few_shot import (
    Indices,
    Score,
    mean_score,
    score_confusion,
)

Features = npt.NDArray[np.float32]

Classify = Callable[[Features], Indices]
"""Queries (B, …) to numbers of classes (rows of the method, B)."""

TrainedOn = Literal["own data", "--train", "supports", "nothing"]


class Fit(Protocol):
    """Makes a classifier of supports."""

    def __call__(self, supports: Features, classes: Indices, seed: int) -> Classify:
        """Return a classifier.

        Parameters
        ----------
        supports : (S, …) float32
            Features of the supports.
        classes : (S,) int64
            Number of the class of each, from 0 without gaps.
        seed : int
            For random numbers.
        """


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

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
class Method:
    """A way to classify.

    Parameters
    ----------
    rows : tuple of Row
        What its classifiers return, in this order.
    features : (N, …) float32
        Of all patterns.
    fit : Fit
    """

    rows: tuple[Row, ...]
    features: Features
    fit: Fit


def embedding_method(
    name: str,
    embeddings: Features,
    own_rule: Rule,
    prototype_fn: PrototypeFn | None = None,
) -> Method:
    """Return a model with its own rule, the paper's and prototypes.

    Parameters
    ----------
    name : str
    embeddings : (N, D) float32, unit length
    own_rule : Rule
        The model's; first row.
    prototype_fn : function, optional
        The model's, for these classes.
    """
    compared: tuple[Rule, ...] = (own_rule, "mean", "prototype")
    rules = tuple(dict.fromkeys(compared))

    def fit(supports: Features, classes: Indices, seed: int) -> Classify:
        number = int(classes.max()) + 1
        return lambda queries: np.stack(
            [
                class_distances(
                    queries, supports, classes, number, rule, prototype_fn
                ).argmin(axis=1)
                for rule in rules
            ]
        )

    return Method(
        rows=tuple(
            Row(
                method=name,
                variant=f"{rule} (own)" if rule == own_rule else rule,
                trained_on="own data",
                sees_supports=True,
            )
            for rule in rules
        ),
        features=embeddings,
        fit=fit,
    )


def score_sample(method: Method, draws: Sequence[Draw]) -> list[Score]:
    """Return the score of a sample for every row of a method, the mean over draws."""
    of_draws = [_score_draw(method, draw) for draw in draws]
    return [mean_score(of_row) for of_row in zip(*of_draws, strict=True)]


def _score_draw(method: Method, draw: Draw) -> list[Score]:
    supports = method.features[draw.supports]
    classify = method.fit(supports, draw.support_classes, draw.seed)
    return [
        score_confusion(_confusion(found, draw))
        for found in classify(method.features[draw.queries])
    ]


def _confusion(found: Indices, draw: Draw) -> Indices:
    confusion = np.zeros((draw.classes, draw.classes), np.int64)
    np.add.at(confusion, (draw.query_classes, found), 1)
    return confusion
