"""Whether scores are probabilities: reliability, its error, and the temperature.

Scores are the softmax of minus the distances divided by a temperature
(`specklenn.core.distances`). One that fits makes a score of 0.9 right nine times in
ten.

References
----------
Guo, C. et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599:
temperature scaling, and the expected calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import softmax_scores

BINS = 10
TEMPERATURES = np.geomspace(0.005, 2.0, 241)
"""Tried in turn, 2.5 per cent apart."""

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """How often scores of some height are right.

    Parameters
    ----------
    edges : (bins + 1,) float64
        Of the scores, from 0 to 1.
    shots : (bins,) int64
        In each bin.
    score : (bins,) float64
        Mean score of the label, NaN in an empty bin.
    right : (bins,) float64
        Share of right labels, NaN in an empty bin.
    """

    edges: npt.NDArray[np.float64]
    shots: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of score and share, over shots."""
        weights = self.shots / max(int(self.shots.sum()), 1)
        gaps = np.abs(self.score - self.right)
        return float(np.where(self.shots > 0, weights * gaps, 0.0).sum())


def reliability(
    distances: Floats, codes: npt.NDArray[np.int64], temperature: float
) -> Reliability:
    """Sort classified shots by the score of their label.

    Parameters
    ----------
    distances : (N, classes) float
        To every class.
    codes : (N,) int64
        The right class.
    temperature : float
    """
    scores = softmax_scores(np.asarray(distances, np.float32), temperature)
    highest = scores.max(axis=1).astype(np.float64)
    right = scores.argmax(axis=1) == codes
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.searchsorted(edges, highest, side="right") - 1, 0, BINS - 1)
    shots = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            edges=edges,
            shots=shots,
            score=np.bincount(place, highest, BINS) / shots,
            right=np.bincount(place, right, BINS) / shots,
        )


def nll(distances: Floats, codes: npt.NDArray[np.int64], temperature: float) -> float:
    """Return the mean negative logarithm of the right class's score, nats.

    Parameters
    ----------
    distances : (N, classes) float
    codes : (N,) int64
    temperature : float
    """
    exponents = -np.asarray(distances, np.float64) / temperature
    exponents -= exponents.max(axis=1, keepdims=True)
    norm = np.log(np.exp(exponents).sum(axis=1))
    return float((norm - exponents[np.arange(len(codes)), codes]).mean())


def fit_temperature(distances: Floats, codes: npt.NDArray[np.int64]) -> float:
    """Return the temperature of the lowest mean negative log-likelihood.

    Labels are smoothed by 0.5 / (N + 1) (the prior of Jeffreys), since a few dozen
    shots without an error do not show that there will never be one.

    Parameters
    ----------
    distances : (N, classes) float
    codes : (N,) int64
    """
    number, classes = distances.shape
    label_smoothing = 0.5 / (number + 1)
    found = []
    for temperature in map(float, TEMPERATURES):
        right = nll(distances, codes, temperature)
        everywhere = [
            nll(distances, np.full(number, code), temperature)
            for code in range(classes)
        ]
        wrong = (sum(everywhere) - right) / (classes - 1)
        found.append((1.0 - label_smoothing) * right + label_smoothing * wrong)
    return float(TEMPERATURES[int(np.argmin(found))])
