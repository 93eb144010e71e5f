"""The classifiers of the ensemble: each is fitted to vectors and gives logits.

They fail in different ways. Prototypes need the fewest supports and know one place a
class; discriminant analysis also learns along which directions a class spreads; the
kernel machine lets a class have several places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from specklenn.core.distances import PrototypeFn
from specklenn.core.heads.head import Codes, Floats, softmax

WITHIN_CLASS = 0.2
"""Share of the measured covariance; the rest is the same variance everywhere. Of few
supports in many dimensions the covariance is hardly known (Friedman 1989)."""

RIDGE = 0.3
"""Regularisation of the kernel machine, in units of the kernel's diagonal."""

KERNEL_SCALE = 2.5
"""From the kernel machine's outputs, which aim at 1 and -1, to logits."""


TINY = 1e-12
"""Variances below this are none."""


class Outputs(NamedTuple):
    """What an expert says about B vectors.

    Parameters
    ----------
    logits : (B, classes) float64
        Logarithms of probabilities up to a constant of each row.
    distances : (B, classes) float64
        In units of its own.
    """

    logits: Floats
    distances: Floats


Predict = Callable[[Floats], Outputs]
"""Vectors (B, D) to what the expert says about them."""


class Expert(Protocol):
    """A classifier of vectors."""

    def __call__(self, vectors: Floats, classes: Codes, n_classes: int) -> Predict:
        """Fit to vectors (S, D) of known classes (S,); every class has one."""
        ...


def prototypes(prototype_fn: PrototypeFn | None, temperature: float) -> Expert:
    """Return the expert that measures distances to prototypes.

    Parameters
    ----------
    prototype_fn : function or None
        Makes prototypes of means, see `specklenn.core.distances`; None for the means.
    temperature : float
        Logits are -distance / temperature.
    """

    def fit(vectors: Floats, classes: Codes, n_classes: int) -> Predict:
        places = class_means(vectors, classes, n_classes)
        if prototype_fn is not None:
            places = prototype_fn(places, np.bincount(classes, minlength=n_classes))

        def predict(queries: Floats) -> Outputs:
            distances = np.sqrt(squared_distances(queries, places))
            return Outputs(logits=-distances / temperature, distances=distances)

        return predict

    return fit


def discriminant_analysis(unlabelled: Floats | None = None) -> Expert:
    """Return the expert that measures Mahalanobis distances to the means.

    All classes share one covariance, shrunk to the same variance in all directions.
    Logits are divided by the square root of D / 4: features are not independent, and
    without that the probabilities would be far too sure.

    Parameters
    ----------
    unlabelled : (U, D) float64 or None
        Vectors of the run: each moves the means to which it seems to belong, all
        together no more than the supports do.
    """

    def fit(vectors: Floats, classes: Codes, n_classes: int) -> Predict:
        means = class_means(vectors, classes, n_classes)
        metric = _Metric.fit(vectors, vectors - means[classes], n_classes)
        if unlabelled is not None:
            shares = softmax(metric.to(means)(unlabelled).logits)
            means = _moved(vectors, classes, unlabelled, shares)
        return metric.to(means)

    return fit


@dataclass(frozen=True, eq=False)
class _Metric:
    """Mahalanobis distances by the shrunk covariance.

    Fewer supports than dimensions span a subspace; beyond it the covariance is the
    constant alone, so nothing of the size D x D is ever needed.
    """

    precision: float  # one over the variance beyond the subspace
    directions: Floats  # (S, D) of the subspace
    change: Floats  # (S,) to the precision along these

    @classmethod
    def fit(cls, vectors: Floats, residuals: Floats, n_classes: int) -> _Metric:
        number, dimensions = residuals.shape
        freedom = max(number - n_classes, 1)
        variance = (residuals**2).sum() / freedom / dimensions
        if variance < TINY:  # one support a class, or all of a class alike
            variance = max(float(vectors.var(axis=0).mean()), TINY)
            return cls(1.0 / variance, np.zeros((0, dimensions)), np.zeros(0))
        _, singular, directions = np.linalg.svd(residuals, full_matrices=False)
        isotropic = (1.0 - WITHIN_CLASS) * variance
        along = WITHIN_CLASS * singular**2 / freedom + isotropic
        return cls(1.0 / isotropic, directions, 1.0 / along - 1.0 / isotropic)

    def to(self, means: Floats) -> Predict:
        """Return what measures the distances of vectors (B, D) to means (K, D)."""
        inside = means @ self.directions.T
        weighted = self.precision * means + (inside * self.change) @ self.directions
        columns, lengths = weighted.T, self._lengths(means)
        flattening = np.sqrt(means.shape[1])

        def predict(queries: Floats) -> Outputs:
            squares = self._lengths(queries)[:, None] + lengths
            squares = np.maximum(squares - 2.0 * queries @ columns, 0.0)
            return Outputs(logits=-squares / flattening, distances=np.sqrt(squares))

        return predict

    def _lengths(self, vectors: Floats) -> Floats:
        """Return squared lengths (B,) of vectors (B, D)."""
        inside = (vectors @ self.directions.T) ** 2 @ self.change
        lengths: Floats = self.precision * (vectors**2).sum(axis=1) + inside
        return lengths


def _moved(
    vectors: Floats, classes: Codes, unlabelled: Floats, shares: Floats
) -> Floats:
    """Return class means of supports and unlabelled vectors together."""
    means = []
    for code in range(shares.shape[1]):
        own = vectors[classes == code]
        total = shares[:, code].sum()
        weight = min(1.0, len(own) / (total + 1e-9))
        summed = own.sum(axis=0) + weight * (shares[:, code] @ unlabelled)
        means.append(summed / (len(own) + weight * total))
    return np.array(means)


def kernel_machine() -> Expert:
    """Return a least-squares support vector machine with a Gaussian kernel.

    One against all others, classes weighted alike whatever their numbers, a free
    intercept (which matters for classes of "anything else"); the kernel's width is
    the median squared distance of the supports (Suykens and Vandewalle 1999).
    """

    def fit(vectors: Floats, classes: Codes, n_classes: int) -> Predict:
        number = len(vectors)
        squares = squared_distances(vectors, vectors)
        apart = squares[np.triu_indices(number, 1)]
        apart = apart[apart > 1e-9]
        width = float(np.median(apart)) if len(apart) else 1.0
        counts = np.bincount(classes, minlength=n_classes)[classes]
        balance = counts * (1.0 / counts).mean()
        system = np.ones((number + 1, number + 1))
        system[:number, :number] = np.exp(-squares / width)
        system[:number, :number] += np.diag(RIDGE * balance)
        system[number, number] = 0.0
        targets = np.where(classes[:, None] == np.arange(n_classes), 1.0, -1.0)
        solution = np.linalg.solve(system, np.vstack((targets, np.zeros(n_classes))))
        members = [np.flatnonzero(classes == code) for code in range(n_classes)]

        def predict(queries: Floats) -> Outputs:
            between = squared_distances(queries, vectors)
            outputs = np.exp(-between / width) @ solution[:number] + solution[number]
            nearest = [between[:, own].min(axis=1) for own in members]
            distances = np.sqrt(np.stack(nearest, axis=1))
            return Outputs(logits=KERNEL_SCALE * outputs, distances=distances)

        return predict

    return fit


def class_means(vectors: Floats, classes: Codes, n_classes: int) -> Floats:
    """Return the mean vector of every class, (classes, D) float64."""
    return np.array(
        [vectors[classes == code].mean(axis=0) for code in range(n_classes)]
    )


def squared_distances(vectors: Floats, others: Floats) -> Floats:
    """Return squared Euclidean distances (B, N) of vectors (B, D) to others (N, D)."""
    squares = (vectors**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    found: Floats = np.maximum(squares - 2.0 * vectors @ others.T, 0.0)
    return found
