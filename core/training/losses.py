"""The triplet loss (section 3.2 of the paper)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

DEFAULT_MARGIN = 0.02


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
