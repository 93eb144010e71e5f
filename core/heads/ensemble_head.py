"""The head of several experts, each weighted by how well it explains the supports.

No classifier is the best of all: on simulated patterns it is the adapted prototypes,
on real ones often those that learn from the supports alone what a class is. Every
expert at every sharpness is a hypothesis; its weight is its prior probability times
the likelihood of the supports to the power of `EVIDENCE`, each support classified by
the others (leave-one-out, or in `MOST_FOLDS` parts). So more labels tell better which
of them is right. The constants were chosen on real and on disturbed patterns, see
docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import PrototypeFn
from specklenn.core.heads.experts import (
    Expert,
    Outputs,
    Predict,
    discriminant_analysis,
    kernel_machine,
    prototypes,
)
from specklenn.core.heads.feature_space import (
    BY_EMBEDDING,
    BY_RINGS,
    FeatureSpace,
)
from specklenn.core.heads.head import (
    ClassScores,
    Codes,
    FeatureLayout,
    Features,
    FittedHead,
    Floats,
    Task,
    softmax,
)

SHARPNESS = np.array((0.35, 0.7, 1.4, 2.8))
"""Factors of the logits."""

SHARPNESS_PRIOR = np.array((0.2, 0.35, 0.3, 0.15))

MOST_FOLDS = 8
"""The supports are classified in at most so many parts, each by the others."""

EVIDENCE = 0.5
"""Power of the likelihood: below 1, weights follow few supports less blindly."""

LEAST_LIKELIHOOD = 0.05
"""One support cannot count for less than this: its label may be wrong."""

ADAPTER_PRIOR = (0.3, 0.85)
"""Prior probability of adapted prototypes where they misjudge a quarter of the very
supports that they were made of, or more, and where they misjudge none."""

PROTOTYPE_PRIOR = 1.0 / 3.0
"""Prior probability of prototypes that are means of the embeddings."""

TYPICAL_DISTANCES = (0.8, 27.0)
"""Distances of shots to their own class, where too few supports tell: of prototypes and
of discriminant analysis by rings, the first two experts; medians of simulated shots."""

View = Callable[[Features], Floats]
"""Features (B, F) to the vectors (B, D) that an expert sees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EnsembleHead:
    """Averages the probabilities of experts, weighted by the evidence of the supports.

    Parameters
    ----------
    layout : FeatureLayout
    temperature : float
        Of the expert that measures distances to prototypes.
    prototype_fn : function, optional
        The model's adapter, if it knows these classes.
    """

    layout: FeatureLayout
    temperature: float
    prototype_fn: PrototypeFn | None = None

    def fit(self, task: Task) -> FittedHead:
        """Fit all experts; unlabelled shots set the scales and move the means."""
        seats = self._seats(task)
        evidence, typical = _cross_validate(seats, task)
        return _FittedEnsemble(
            views=[seat.view for seat in seats],
            predictions=[seat.fit(task.classes, task.n_classes) for seat in seats],
            weights=_posterior(self._prior(task), evidence),
            typical=typical,
        )

    def _seats(self, task: Task) -> list[_Seat]:
        """Return the experts and the vectors of the supports that each is given."""
        nearest = prototypes(self.prototype_fn, self.temperature)
        seats = [_Seat(nearest, nearest, self._embeddings, task)]
        known = [task.supports]
        if task.unlabelled is not None:
            known.append(task.unlabelled)
        for weighting in (BY_RINGS, BY_EMBEDDING):
            space = FeatureSpace.fit(np.concatenate(known), self.layout, weighting)
            moved = None if task.unlabelled is None else space(task.unlabelled)
            final = discriminant_analysis(moved)
            seats.append(_Seat(final, discriminant_analysis(), space, task))
            seats.append(_Seat(kernel_machine(), kernel_machine(), space, task))
        return seats

    def _embeddings(self, features: Features) -> Floats:
        return self.layout.embeddings(features).astype(np.float64)

    def _prior(self, task: Task) -> Floats:
        """Return the prior probability of each expert.

        An adapter that does not know what it sees misjudges the very supports that
        its prototypes were made of; plain means hardly can.
        """
        first = PROTOTYPE_PRIOR
        if self.prototype_fn is not None:
            own = self._embeddings(task.supports)
            adapted = prototypes(self.prototype_fn, 1.0)
            fit = adapted(own, task.classes, task.n_classes)
            right = (fit(own).logits.argmax(axis=1) == task.classes).mean()
            first = float(np.interp(right, (0.75, 1.0), ADAPTER_PRIOR))
        return np.array((first, *[(1.0 - first) / 4] * 4))


class _Seat:
    """An expert and the vectors of the supports as it sees them."""

    def __init__(
        self, expert: Expert, by_supports_alone: Expert, view: View, task: Task
    ) -> None:
        self.by_supports_alone = by_supports_alone
        self.view = view
        self.vectors = view(task.supports)
        self._expert = expert

    def fit(self, classes: Codes, n_classes: int) -> Predict:
        """Fit to all supports."""
        return self._expert(self.vectors, classes, n_classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class _FittedEnsemble:
    views: Sequence[View]
    predictions: Sequence[Predict]
    weights: Floats  # (experts, sharpness)
    typical: Floats  # (2,) of the first two experts

    def __call__(self, features: Features) -> ClassScores:
        vectors = {view: view(features) for view in dict.fromkeys(self.views)}
        outputs = [
            predict(vectors[view])
            for view, predict in zip(self.views, self.predictions, strict=True)
        ]
        scores = np.tensordot(self.weights, _probabilities(outputs), axes=2)
        return ClassScores(
            distances=np.asarray(self._distances(outputs), np.float32),
            scores=np.asarray(scores, np.float32),
        )

    def _distances(self, outputs: Sequence[Outputs]) -> Floats:
        """Return distances (B, classes) in multiples of a support's to its own class.

        Those of the prototypes for their weight, for the rest those of discriminant
        analysis: both know what is unlike every class, where the kernel machine only
        knows the nearest support.
        """
        by_prototypes, by_analysis = (
            output.distances / typical
            for output, typical in zip(outputs[:2], self.typical, strict=True)
        )
        share = self.weights[0].sum()
        distances: Floats = share * by_prototypes + (1.0 - share) * by_analysis
        return distances


def _cross_validate(seats: Sequence[_Seat], task: Task) -> tuple[Floats, Floats]:
    """Classify every support by the others.

    Returns
    -------
    evidence : (experts, sharpness) float64
        Logarithm of the likelihood of the supports, classes weighted alike.
    typical : (2,) float64
        Median distance of a support to its own class, of the first two experts.
    """
    folds = _folds(task.classes)
    held = np.flatnonzero(folds >= 0)
    if len(held) == 0:
        nothing = np.zeros((len(seats), len(SHARPNESS)))
        return nothing, np.array(TYPICAL_DISTANCES)
    found = [_held_out(seat, task, folds) for seat in seats]
    own = task.classes[held]
    balance = 1.0 / task.counts[own]
    balance *= len(balance) / balance.sum()
    likelihoods = np.maximum(_probabilities(found)[:, :, held, own], LEAST_LIKELIHOOD)
    typical = [max(np.median(each.distances[held, own]), 1e-6) for each in found[:2]]
    return np.log(likelihoods) @ balance, np.array(typical)


def _probabilities(outputs: Sequence[Outputs]) -> Floats:
    """Return the classes' probabilities, (experts, sharpness, B, classes) float64."""
    logits = np.stack([output.logits for output in outputs])
    return softmax(SHARPNESS[:, None, None] * logits[:, None])


def _folds(classes: Codes) -> Codes:
    """Spread the supports of every class over the folds, (S,) int64.

    The only support of a class is in none, -1: without it there would be no class.
    """
    random = np.random.default_rng(0)
    folds = np.full(len(classes), -1)
    for code in np.unique(classes):
        rows = random.permutation(np.flatnonzero(classes == code))
        if len(rows) > 1:
            folds[rows] = np.arange(len(rows)) % MOST_FOLDS
    return folds


def _held_out(seat: _Seat, task: Task, folds: Codes) -> Outputs:
    """Return what an expert says about every support, fitted to the other folds."""
    shape = len(folds), task.n_classes
    logits, distances = np.empty(shape), np.empty(shape)
    for fold in range(folds.max() + 1):
        held = folds == fold
        fit = seat.by_supports_alone(
            seat.vectors[~held], task.classes[~held], task.n_classes
        )
        logits[held], distances[held] = fit(seat.vectors[held])
    return Outputs(logits=logits, distances=distances)


def _posterior(
    prior: Floats, evidence: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the weights (experts, sharpness), which sum to one."""
    exponents = np.log(prior[:, None] * SHARPNESS_PRIOR) + EVIDENCE * evidence
    weights: Floats = softmax(exponents.ravel()).reshape(exponents.shape)
    return weights
