"""The triplet loss (section 3.2 of the paper) and the choice of triplets (3.3).

Anchor and positive are of the same sample and the same label; the negative is
of any sample with another label.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

DEFAULT_MARGIN = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class TripletIndices:
    """Indices into a batch.

    Parameters
    ----------
    anchors, positives, negatives : (T,) int64
    semi_hard_share : float
        Share of the matching pairs of the batch that had a semi-hard negative.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    semi_hard_share: float


def squared_distances(embeddings: Tensor) -> Tensor:
    """Return squared Euclidean distances between unit vectors.

    Parameters
    ----------
    embeddings : (B, D) float32, unit length

    Returns
    -------
    (B, B) float32, 0 to 4
    """
    return (2.0 - 2.0 * embeddings @ embeddings.T).clamp_min(0.0)


def matching_pairs(samples: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return anchors and positives: every ordered pair of one sample and one label.

    Parameters
    ----------
    samples, labels : (B,) int64

    Returns
    -------
    anchors, positives : (P,) int64
    """
    same = (samples[:, None] == samples) & (labels[:, None] == labels)
    same.fill_diagonal_(False)
    anchors, positives = torch.nonzero(same, as_tuple=True)
    return anchors, positives


def semi_hard(
    distances: Tensor, anchors: Tensor, positives: Tensor, labels: Tensor, margin: float
) -> Tensor:
    """Return which negatives are semi-hard for each pair, equation (3).

    Parameters
    ----------
    distances : (B, B) float32
        Squared.
    anchors, positives : (P,) int64
    labels : (B,) int64
    margin : float

    Returns
    -------
    (P, B) bool
    """
    near = distances[anchors, positives][:, None]
    far = distances[anchors]
    opposing = labels[anchors][:, None] != labels
    return opposing & (far > near) & (far < near + margin)


def mine(
    distances: Tensor,
    samples: Tensor,
    labels: Tensor,
    margin: float,
    generator: torch.Generator | None = None,
) -> TripletIndices:
    """Give every matching pair a random one of its semi-hard negatives.

    Pairs without any are left out, so there may be no triplet at all.

    Parameters
    ----------
    distances : (B, B) float32
        Squared, see `squared_distances`.
    samples, labels : (B,) int64
    margin : float
    generator : torch.Generator, optional
    """
    anchors, positives = matching_pairs(samples, labels)
    allowed = semi_hard(distances, anchors, positives, labels, margin)
    useful = allowed.any(dim=1)
    chosen = allowed[useful].float()
    negatives = (
        torch.multinomial(chosen, 1, generator=generator)[:, 0]
        if len(chosen)
        else anchors[:0]
    )
    return TripletIndices(
        anchors=anchors[useful],
        positives=positives[useful],
        negatives=negatives,
        semi_hard_share=float(useful.float().mean()) if len(useful) else 0.0,
    )


def triplet_loss(near: Tensor, far: Tensor, margin: float = DEFAULT_MARGIN) -> Tensor:
    """Return the mean of [margin + near - far]+ over triplets.

    Parameters
    ----------
    near, far : (T,) float
        Squared distances from anchors to positives and to negatives.
    margin : float

    Returns
    -------
    () float
        Zero, with zero gradients, where there are no triplets.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    IUCrJ (2023), equation (2), there a sum; the mean keeps the step
    independent of how many triplets were found.
    """
    if near.shape != far.shape or near.ndim != 1:
        raise ValueError(
            f"distances of shapes {tuple(near.shape)} and {tuple(far.shape)}, "
            "twice the same (T,) expected"
        )
    violations = functional.relu(margin + near - far)
    return violations.sum() / max(len(violations), 1)
