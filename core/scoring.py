"""Distances to the supports and the scores made of them; NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings

Embeddings = npt.NDArray[np.float32]


class Classification(Settings):
    """How distances become labels and scores.

    Parameters
    ----------
    temperature : float
        Scores are the softmax of -distance / temperature; they order shots by
        confidence and are not calibrated probabilities.
    reject_above_distance : float or None
        A shot farther than this from every class is called unknown; off by
        default. Distances between unit vectors lie between 0 and 2.
    """

    temperature: float = Field(default=0.1, gt=0)
    reject_above_distance: float | None = Field(default=None, gt=0, le=2)


def mean_distances(
    queries: Embeddings,
    supports: Embeddings,
    classes: npt.NDArray[np.int64],
    number_of_classes: int,
) -> npt.NDArray[np.float32]:
    """Average the Euclidean distances from queries to supports by class.

    Parameters
    ----------
    queries : (B, D) float32, unit length
    supports : (S, D) float32, unit length
    classes : (S,) int64
        Class of each support, 0 to ``number_of_classes`` - 1.
    number_of_classes : int

    Returns
    -------
    (B, number_of_classes) float32, 0 to 2
    """
    cosines = queries.astype(np.float64) @ supports.astype(np.float64).T
    distances = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))  # (B, S)
    members = classes[:, None] == np.arange(number_of_classes)  # (S, C)
    means = distances @ (members / np.maximum(members.sum(axis=0), 1))
    return np.asarray(means, np.float32)


def softmax_scores(
    distances: npt.NDArray[np.float32], temperature: float
) -> npt.NDArray[np.float32]:
    """Turn distances into scores that sum to one.

    Parameters
    ----------
    distances : (B, classes) float32
    temperature : float
    """
    exponents = -distances.astype(np.float64) / temperature
    powers = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
