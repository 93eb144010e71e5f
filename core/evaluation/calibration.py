"""Whether scores are probabilities: reliability, its error, and the temperature.

Scores that are probabilities are right nine times in ten where they say 0.9. Those that
are too sure, or not sure enough, can be made sharper or flatter by a temperature.

References
----------
Guo, C. et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599:
temperature scaling, and the expected calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10
TEMPERATURES = np.geomspace(0.05, 20.0, 241)
"""Tried in turn, 2.5 per cent apart."""

LEAST_SCORE = 1e-7
"""Smaller scores count as this: being certain and wrong is not infinitely bad."""

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


def reliability(scores: Floats, codes: npt.NDArray[np.int64]) -> Reliability:
    """Sort classified shots by the score of their label.

    Parameters
    ----------
    scores : (N, classes) float
        Probabilities of the classes.
    codes : (N,) int64
        The right class.
    """
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


def log_loss(scores: Floats, codes: npt.NDArray[np.int64]) -> float:
    """Return the mean negative logarithm of the right class's score, nats.

    Parameters
    ----------
    scores : (N, classes) float
    codes : (N,) int64
    """
    return _log_loss(_logs(scores), codes, 1.0)


def _logs(scores: Floats) -> npt.NDArray[np.float64]:
    return np.log(np.maximum(np.asarray(scores, np.float64), LEAST_SCORE))


def _log_loss(
    logs: npt.NDArray[np.float64], codes: npt.NDArray[np.int64], temperature: float
) -> float:
    exponents = logs / temperature
    exponents -= exponents.max(axis=1, keepdims=True)
    norm = np.log(np.exp(exponents).sum(axis=1))
    return float((norm - exponents[np.arange(len(codes)), codes]).mean())


def fit_temperature(scores: Floats, codes: npt.NDArray[np.int64]) -> float:
    """Return by what the logarithms of scores should be divided to be the likeliest.

    1 where the scores are probabilities, more where they are too sure.

    Labels are smoothed by 0.5 / (N + 1) (the prior of Jeffreys), since a few dozen
    shots without an error do not show that there will never be one.

    Parameters
    ----------
    scores : (N, classes) float
    codes : (N,) int64
    """
    number, classes = scores.shape
    logs = _logs(scores)
    label_smoothing = 0.5 / (number + 1)
    found = []
    for temperature in map(float, TEMPERATURES):
        right = _log_loss(logs, codes, temperature)
        everywhere = [
            _log_loss(logs, np.full(number, code), temperature)
            for code in range(classes)
        ]
        wrong = (sum(everywhere) - right) / (classes - 1)
        found.append((1.0 - label_smoothing) * right + label_smoothing * wrong)
    return float(TEMPERATURES[int(np.argmin(found))])
