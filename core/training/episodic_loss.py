"""The few-shot loss: an episode's patterns classify each other.

An episode holds two samples with as many patterns of every class of each. Three kinds
of tasks: the first class of a sample (single-hits) against the second (multi-hits); the
first against anything else, first-class patterns of the other sample among it; and, if
there are more classes, the second against the others (non-sample-hits). Every
pattern is a query whose supports are all others of the task; the loss is the
cross-entropy of softmax(-sharpness * mean distance), the paper's rule. A network
with an adapter has the same tasks by distances to its prototypes, with one to all
others as supports. Episodes of this kind: Snell et al. (2017), there with
prototypes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

SAMPLES = 2
"""In an episode."""

AdaptFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Means (B, classes, D), encoding (classes, 3), numbers (B, classes) to prototypes,
see `specklenn.core.network.prototype_adapter.PrototypeAdapter`."""


def episode_loss(
    vectors: Tensor, classes: int, patterns: int, sharpness: float
) -> Tensor:
    """Return the mean loss of the tasks of one episode.

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
    losses = [
        task_loss(distances, [rows for rows, _ in task], sharpness)
        for task in episode_tasks(classes, patterns, all_classes=False)
    ]
    return torch.stack(losses).mean()


def episode_tasks(
    classes: int, patterns: int, *, all_classes: bool
) -> Iterator[Sequence[tuple[Tensor, slice]]]:
    """Give the tasks of one episode, those of the first sample first.

    Parameters
    ----------
    classes, patterns : int
        See `episode_loss`.
    all_classes : bool
        Whether telling all of three or more classes apart is a task, too.

    Yields
    ------
    sequence of ((n,) int64, slice)
        Rows of each class of the task, and which classes of the episode it joins.
    """
    every = torch.arange(SAMPLES * classes * patterns)
    rows = every.reshape(SAMPLES, classes, patterns)
    for sample in range(SAMPLES):
        ours, foreign = rows[sample], rows[1 - sample, 0, : max(patterns // 2, 1)]
        first, second = (ours[0], slice(0, 1)), (ours[1], slice(1, 2))
        yield first, second
        yield first, (torch.cat((ours[1:].flatten(), foreign)), slice(1, None))
        if classes > 2:
            yield second, (ours[2:].flatten(), slice(2, None))
        if classes > 2 and all_classes:
            yield [(own, slice(n, n + 1)) for n, own in enumerate(ours)]


def task_loss(distances: Tensor, members: Sequence[Tensor], sharpness: float) -> Tensor:
    """Return the loss of one task; its classes weigh the same.

    Parameters
    ----------
    distances : (B, B) float32
        Zero on the diagonal.
    members : sequence of (n,) int64
        Rows of each class, two or more of each.
    sharpness : float
        Inverse of the softmax's temperature.

    Returns
    -------
    () float32
        Cross-entropy of softmax(-sharpness * mean distance), every pattern left out
        of its own class.
    """
    losses = []
    for number, own in enumerate(members):
        opposing = [*members[:number], *members[number + 1 :]]
        near = distances[own][:, own].sum(dim=1) / (len(own) - 1)
        far = torch.stack([distances[own][:, one].mean(dim=1) for one in opposing])
        against = torch.logsumexp(sharpness * (near - far), dim=0)
        losses.append(functional.softplus(against).mean())
    return torch.stack(losses).mean()


def adapted_loss(
    vectors: Tensor,
    class_encoding: Tensor,
    patterns: int,
    sharpness: float,
    adapt: AdaptFn,
    generator: torch.Generator,
) -> Tensor:
    """Return the mean loss of the tasks of one episode by the prototypes of classes.

    The tasks of `episode_loss` and, with three classes, that of all of them. Every
    pattern is a query with supports of its own, one to all others of each class.

    Parameters
    ----------
    vectors : (2 * classes * patterns, D) float32, unit length
        Sample after sample, class after class.
    class_encoding : (classes, 3) float32
        See `specklenn.core.network.prototype_adapter.encode_classes`.
    patterns : int
        Of each class of each sample, at least two.
    sharpness : float
    adapt : function
    generator : torch.Generator
        For the supports.

    Returns
    -------
    () float32
    """
    losses = [
        adapted_task_loss(
            vectors,
            [rows for rows, _ in task],
            torch.stack([class_encoding[joined].sum(dim=0) for _, joined in task]),
            sharpness,
            adapt,
            generator,
        )
        for task in episode_tasks(len(class_encoding), patterns, all_classes=True)
    ]
    return torch.stack(losses).mean()


def adapted_task_loss(
    vectors: Tensor,
    members: Sequence[Tensor],
    class_encoding: Tensor,
    sharpness: float,
    adapt: AdaptFn,
    generator: torch.Generator,
) -> Tensor:
    """Return the loss of one task by prototypes; its classes weigh the same.

    The parameters are those of `adapted_loss`, for the classes of the task, and its
    members: rows (n,) int64 of each class.
    """
    queries = torch.cat(tuple(members))
    numbers = draw_numbers(len(queries), [len(own) for own in members], generator)
    means = []
    for own, number in zip(members, numbers.T, strict=True):
        keys = torch.rand(len(queries), len(own), generator=generator)
        keys[queries[:, None] == own] = torch.inf
        chosen = keys.argsort(dim=1).argsort(dim=1) < number[:, None]
        means.append(chosen.float() @ vectors[own] / number[:, None])
    prototypes = adapt(torch.stack(means, dim=1), class_encoding, numbers.float())
    squares = (vectors[queries][:, None] - prototypes).square().sum(dim=2)
    # Bounded from below: the root has no slope at zero.
    logits = -sharpness * squares.clamp_min(1e-6).sqrt()
    truth = torch.arange(len(members)).repeat_interleave(
        torch.tensor([len(own) for own in members])
    )
    weights = torch.tensor([1 / len(own) for own in members])
    return functional.cross_entropy(logits, truth, weights)


def draw_numbers(
    queries: int, sizes: Sequence[int], generator: torch.Generator
) -> Tensor:
    """Draw how many supports of each class a query has, (queries, classes) int64.

    Evenly in the logarithm from one to all other patterns of the smallest class; for
    every other query the same of each class, else each a factor of about e away.
    """
    most = math.log(min(sizes) - 1 + 0.999)
    common = torch.rand(queries, 1, generator=generator) * most
    apart = torch.randn(queries, len(sizes), generator=generator)
    apart[::2] = 0
    limits = torch.tensor(sizes) - 1
    return torch.minimum(torch.exp(common + apart).long().clamp_min(1), limits)


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
