"""What a plain kernel machine on ring features makes of the same labels.

A fine-tuned model that is no better than this has learned nothing that the radial
profile does not say.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specklenn.core.finetuning.cross_fitting import FitRows, ScoreRows
from specklenn.core.heads.experts import kernel_machine
from specklenn.core.heads.head import ClassScores, Codes, Floats, softmax

RINGS = 19
"""From the middle of the picture to its edge, of the same width."""


def ring_features(roots: npt.NDArray[np.float32]) -> Floats:
    """Return the mean and the standard deviation of every ring.

    Parameters
    ----------
    roots : (N, side, side) float32
        Square roots of photons per pixel, NaN where bad.

    Returns
    -------
    (N, 2 x RINGS) float64
        0 where a ring has no good pixel.
    """
    side = roots.shape[1]
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    ring = (np.hypot(rows, columns) * 2 * RINGS / side).astype(int).ravel()
    members = (ring[:, None] == np.arange(RINGS)).astype(np.float64)
    good = ~np.isnan(roots).reshape(len(roots), -1)
    values = np.where(good, roots.reshape(len(roots), -1), 0.0)
    pixels = np.maximum(good @ members, 1.0)
    means = values @ members / pixels
    squares = values**2 @ members / pixels
    deviations = np.sqrt(np.maximum(squares - means**2, 0.0))
    return np.concatenate((means, deviations), axis=1)


def fit_yardstick(roots: npt.NDArray[np.float32], codes: Codes) -> FitRows:
    """Return how a machine with a Gaussian kernel is fitted to some of the shots.

    Parameters
    ----------
    roots : (N, side, side) float32
        See `ring_features`.
    codes : (N,) int64
        Their classes.
    """
    features, n_classes = ring_features(roots), int(codes.max()) + 1

    def fit(rows: Codes) -> ScoreRows:
        middle, spread = features[rows].mean(axis=0), features[rows].std(axis=0)
        vectors = (features - middle) / np.where(spread > 1e-9, spread, 1.0)
        predict = kernel_machine()(vectors[rows], codes[rows], n_classes)

        def score(queries: Codes) -> ClassScores:
            logits, distances = predict(vectors[queries])
            return ClassScores(
                distances=distances.astype(np.float32),
                scores=softmax(logits).astype(np.float32),
            )

        return score

    return fit
