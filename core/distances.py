"""Distances to the classes of supports and the scores made of them; NumPy only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from specklenn.core.settings import Settings

Embeddings = npt.NDArray[np.float32]
"""Vectors (B, D) float32 of unit length."""

Distances = npt.NDArray[np.float32]
"""Distances (B, classes) float32; 0 to 2 between unit vectors."""

DistanceFn = Callable[[Embeddings], Distances]

Reduce = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""Makes one distance (B,) of those to the supports of a class (B, supports)."""

PrototypeFn = Callable[
    [npt.NDArray[np.float64], npt.NDArray[np.int64]], npt.NDArray[np.float64]
]
"""Makes prototypes (classes, D) of the means (classes, D) and counts (classes,) of
supports, see `specklenn.core.network.prototype_adapter`."""

DistanceRule = Literal["mean", "nearest", "soft", "prototype", "learned"]
"""How the supports of a class give one distance, see `make_distance_fn`."""

Rule = Literal["ensemble", "mean", "nearest", "soft", "prototype", "learned"]
"""How patterns are classified by supports: by one distance, or by several experts
that the supports decide between, see `specklenn.core.heads`."""

SOFT_WIDTH = 0.1
"""Temperature of the soft minimum over the supports of a class."""


def _limit(value: Any) -> Any:
    """Check a limit: None, a number above 0, or off, which is False."""
    if value == "off":  # a word of YAML 1.2, where it is no truth value
        return False
    if value is None or value is False:
        return value
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError("a number above 0, or off")
    return number


Limit = Annotated[float | Literal[False] | None, BeforeValidator(_limit)]
"""False, in YAML ``off``: no limit. None: the rule's own."""


class Classification(Settings):
    """How distances become labels and scores.

    Parameters
    ----------
    rule : {"ensemble", "mean", "nearest", "soft", "prototype", "learned"} or None
        How supports decide. "ensemble": several classifiers, weighted by how well each
        explains the supports. Or by one distance to each class: the mean distance of
        its supports as in the paper, the nearest support, a soft minimum, the distance
        to the mean of the supports, or to the prototype that the model's
        PrototypeAdapter predicts ("learned"). Mean distances put classes of unlike
        supports ("anything else") at a disadvantage; the others do not. None for the
        rule that the model was chosen by.
    temperature : float or None
        Scores are the softmax of -distance / temperature; in the ensemble, of those
        classifiers that measure such distances. None for the model's own, calibrated
        on shots that it was not trained on.
    reject_above_distance : float, off or None
        A shot farther than this from every class is called unknown. Distances of
        the ensemble are multiples of the usual distance of a support to its own
        class, those of the other rules lie between 0 and 2. None for the rule's
        own limit, see `specklenn.core.rejection`: only the ensemble has one.
    reject_below_score : float, off or None
        A shot whose best class is less probable than this is called unknown. None as
        above.
    follow_run : bool
        Let `specklenn run` fit network and ensemble to a sample of the hits of the run,
        beside the supports, anew each time that there are twice as many.
    """

    rule: Rule | None = None
    temperature: float | None = Field(default=None, gt=0)
    reject_above_distance: Limit = None
    reject_below_score: Limit = None
    follow_run: bool = False

    def with_rule(self, rule: Rule | None) -> Classification:
        """Return the settings with another rule.

        A limit of distance that was set stays with its rule, whose units it has.
        """
        if rule == self.rule:
            return self
        distance = self.reject_above_distance
        kept = False if distance is False else None
        return self.model_copy(update={"rule": rule, "reject_above_distance": kept})


def class_distances(
    queries: Embeddings,
    supports: Embeddings,
    classes: npt.NDArray[np.int64],
    number_of_classes: int,
    rule: DistanceRule = "mean",
    prototype_fn: PrototypeFn | None = None,
) -> Distances:
    """Return the distances of queries to classes, (B, number_of_classes) float32.

    Parameters
    ----------
    queries : (B, D) float32, unit length
    supports, classes, number_of_classes, rule, prototype_fn
        See `make_distance_fn`.
    """
    distance_fn = make_distance_fn(
        supports, classes, number_of_classes, rule, prototype_fn
    )
    return distance_fn(queries)


def make_distance_fn(
    supports: Embeddings,
    classes: npt.NDArray[np.int64],
    number_of_classes: int,
    rule: DistanceRule = "mean",
    prototype_fn: PrototypeFn | None = None,
) -> DistanceFn:
    """Return the function from queries to their distances to the classes of supports.

    What depends on the supports alone, such as the prototypes, is computed once, here.

    Parameters
    ----------
    supports : (S, D) float32, unit length
    classes : (S,) int64
        Class of each support, 0 to ``number_of_classes`` - 1.
    number_of_classes : int
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
        Of the Euclidean distances d to the supports of a class: their mean (paper,
        section 3.6); the smallest; -w log(mean(exp(-d / w))) with w = `SOFT_WIDTH`,
        between the two; the distance to the mean of the supports; or to
        what ``prototype_fn`` makes of it.
    prototype_fn : function, optional
        For the last rule; without it, that is the one before it.
    """
    vectors = supports.astype(np.float64)
    members = [classes == number for number in range(number_of_classes)]
    if rule in _REDUCE:
        reduce = _REDUCE[rule]

        def distance_fn(queries: Embeddings) -> Distances:
            distances = _euclidean(queries, vectors)
            columns = [reduce(distances[:, own]) for own in members]
            return np.stack(columns, axis=1).astype(np.float32)

        return distance_fn
    prototypes = np.array([vectors[own].mean(axis=0) for own in members])
    if rule == "learned" and prototype_fn is not None:
        prototypes = prototype_fn(prototypes, np.array([own.sum() for own in members]))
    return lambda queries: _euclidean(queries, prototypes).astype(np.float32)


def _euclidean(
    queries: Embeddings, others: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return Euclidean distances from unit vectors (B, D) to vectors (S, D)."""
    lengths = (others**2).sum(axis=1)
    products = queries.astype(np.float64) @ others.T
    squares: npt.NDArray[np.float64] = 1.0 + lengths - 2.0 * products
    return np.sqrt(np.maximum(squares, 0.0))


def _soft(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    nearest = distances.min(axis=1)
    nearness = np.exp(-(distances - nearest[:, None]) / SOFT_WIDTH).mean(axis=1)
    soft: npt.NDArray[np.float64] = nearest - SOFT_WIDTH * np.log(nearness)
    return soft


_REDUCE: dict[str, Reduce] = {
    "mean": lambda distances: distances.mean(axis=1),
    "nearest": lambda distances: distances.min(axis=1),
    "soft": _soft,
}


def softmax_scores(
    distances: npt.NDArray[np.float32], temperature: float
) -> npt.NDArray[np.float32]:
    """Turn distances (B, classes) into scores that sum to one for each pattern."""
    exponents = -distances.astype(np.float64) / temperature
    powers = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
