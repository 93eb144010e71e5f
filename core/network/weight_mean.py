"""Averages checkpoints to initialise training."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.network import checkpoint
from specklenn.core.network.registry import Network


def mean_weights(
    paths: Sequence[str | os.PathLike[str]], network: Network
) -> dict[str, Tensor]:
    """Return the mean of the weights in some files.

    A training that goes on from other weights learns what it is shown and forgets
    some of what it is shown less of. Where it did not go far, half way between its
    start and its end lies a network that keeps both (Wortsman et al., CVPR 2022).

    Parameters
    ----------
    paths : sequence of path
        Names of packaged models do as well.
    network : Network
        Network that the weights are for.

    Returns
    -------
    dict of str to Tensor
        What all files have, as for ``load_state_dict``.

    Raises
    ------
    WeightsError
        If a file cannot be read.
    DataError
        If one is of another network.
    """
    found = [_weights(path, network) for path in paths]
    shared = set(found[0]).intersection(*found)
    return {
        name: torch.stack([weights[name] for weights in found]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in found[0].items()
        if name in shared
    }


def _weights(path: str | os.PathLike[str], network: Network) -> dict[str, Tensor]:
    trained = checkpoint.load(path).encoder
    ours, theirs = (
        (one.architecture, one.input_side, one.embedding_size)
        for one in (network, trained)
    )
    if ours != theirs:
        raise DataError(
            f"start: {os.fspath(path)} is a network {theirs[0]} of {theirs[1]} pixels "
            f"and {theirs[2]} numbers, {ours[0]} of {ours[1]} and {ours[2]} expected"
        )
    return trained.state_dict()
