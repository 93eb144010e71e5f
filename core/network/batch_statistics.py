"""Batch normalisation that follows a run: means and variances move towards its own.

A network normalises its channels by means and variances of the patterns that it was
trained on. Patterns with a gap, a cut or another gain have others; some of both is
better than either (Schneider et al. 2020, doi:10.48550/arXiv.2006.16971).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from specklenn.core.network.registry import Network

RUN_SHARE = 0.1
"""How far the statistics move, from 0, not at all, to 1, those of the run alone; see
docs/experiments.md."""


@torch.inference_mode()
def follow_statistics(
    encoder: Network, inputs: npt.NDArray[np.float32], share: float = RUN_SHARE
) -> Network:
    """Return a copy of a network whose batch statistics are moved towards a run's.

    Parameters
    ----------
    encoder : network
        In evaluation mode; stays as it is.
    inputs : (B, side, side) float32
        Patterns of the run, all at once, see `Preprocessor.normalise`.
    share : float
        0 to 1.
    """
    made = copy.deepcopy(encoder)

    def move(layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        (values,) = arguments
        _move(layer, values, share)

    # Each layer moves before it is used, so that the next one sees what will come.
    hooks = [
        layer.register_forward_pre_hook(move)
        for layer in made.modules()
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    device = next(made.parameters()).device
    made.embed_and_pool(torch.from_numpy(inputs[:, None]).to(device))
    for hook in hooks:
        hook.remove()
    return made


def _move(layer: nn.Module, values: Tensor, share: float) -> None:
    """Move the statistics of a layer towards those of values (B, channels, ...)."""
    others = [axis for axis in range(values.dim()) if axis != 1]
    assert isinstance(layer.running_mean, Tensor)
    assert isinstance(layer.running_var, Tensor)
    layer.running_mean.lerp_(values.mean(others), share)
    layer.running_var.lerp_(values.var(others, correction=0), share)
