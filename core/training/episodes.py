"""The few-shot loss: a scene's patterns judge each other as queries and supports.

A scene holds two samples with as many patterns of every class of each. Three kinds of
tasks: the first class of a sample (single-hits) against the second (multi-hits); the
first against anything else, first-class patterns of the other sample among it; and, if
there are more classes, the second against the others (non-sample-hits). Every
pattern is a query whose supports are all others of the task; the loss is the
cross-entropy of softmax(-sharpness * mean distance), the rule that classifies.
Episodes of this kind: Snell et al. (2017), there with prototypes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SAMPLES = 2
"""In a scene."""


def episode_loss(
    vectors: Tensor, classes: int, patterns: int, sharpness: float
) -> Tensor:
    """Return the mean loss of the tasks of one scene.

    Parameters
    ----------
    vectors : (2 * classes * patterns, D) float32, unit length
        Sample after sample, class after class.
    classes : int
    patterns : int
        Of each class of each sample, at least two.
    sharpness : float
        Inverse of the softmax's temperature.

    Returns
    -------
    () float32

    Raises
    ------
    ValueError
        If the number of vectors is another.
    """
    if len(vectors) != SAMPLES * classes * patterns or patterns < 2:
        raise ValueError(
            f"{len(vectors)} vectors, {SAMPLES} samples of {classes} classes of "
            f"{patterns} patterns expected, 2 or more of each"
        )
    distances = distances_between(vectors)
    rows = torch.arange(len(vectors)).reshape(SAMPLES, classes, patterns)
    losses = []
    for sample in range(SAMPLES):
        ours, foreign = rows[sample], rows[1 - sample, 0, : max(patterns // 2, 1)]
        rest = torch.cat((ours[1:].flatten(), foreign))
        losses.append(task_loss(distances, ours[0], ours[1], sharpness))
        losses.append(task_loss(distances, ours[0], rest, sharpness))
        if classes > 2:
            others = ours[2:].flatten()
            losses.append(task_loss(distances, ours[1], others, sharpness))
    return torch.stack(losses).mean()


def task_loss(
    distances: Tensor, ours: Tensor, theirs: Tensor, sharpness: float
) -> Tensor:
    """Return the loss of one two-way task, both classes weighing the same.

    Parameters
    ----------
    distances : (B, B) float32
        Zero on the diagonal.
    ours, theirs : (n,), (m,) int64
        Rows of the two classes, two or more of each.
    sharpness : float
    """
    sides = []
    for own, opposite in ((ours, theirs), (theirs, ours)):
        near = distances[own][:, own].sum(dim=1) / (len(own) - 1)
        far = distances[own][:, opposite].mean(dim=1)
        sides.append(functional.softplus(sharpness * (near - far)).mean())
    return 0.5 * (sides[0] + sides[1])


def distances_between(vectors: Tensor) -> Tensor:
    """Return Euclidean distances between unit vectors, exactly 0 to themselves.

    Parameters
    ----------
    vectors : (B, D) float32, unit length

    Returns
    -------
    (B, B) float32
    """
    squares = 2.0 - 2.0 * vectors @ vectors.T
    # Bounded from below: the root has no slope at zero.
    return squares.clamp_min(1e-6).sqrt() * (1.0 - torch.eye(len(vectors)))
