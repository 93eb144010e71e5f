"""How weights change: the optimiser, its learning rate, and their average."""

from __future__ import annotations

import math

import torch
from torch import nn

from specklenn.core.training.settings import Training


def make_optimiser(settings: Training, encoder: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network; only filters and matrices decay."""
    parameters = list(encoder.parameters())
    groups = [
        {
            "params": [item for item in parameters if item.ndim > 1],
            "weight_decay": settings.weight_decay,
        },
        {
            "params": [item for item in parameters if item.ndim <= 1],
            "weight_decay": 0.0,
        },
    ]
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate)
    return torch.optim.Adam(groups, lr=settings.learning_rate)


def learning_rate(settings: Training, steps_done: int) -> float:
    """Return the learning rate of the step that comes after so many.

    It rises linearly in the share ``warm_up`` of the steps, its highest in the last
    of them, and falls along a cosine to zero after the last step if it decays.
    """
    rising = settings.warm_up * settings.steps
    if steps_done < rising:
        return settings.learning_rate * min((steps_done + 1) / rising, 1.0)
    if not settings.decay:
        return settings.learning_rate
    done = min((steps_done - rising) / (settings.steps - rising), 1.0)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def move_average(
    average: nn.Module, encoder: nn.Module, keep: float, steps_done: int
) -> None:
    """Move an exponential average of networks a step towards one.

    Weights and the statistics of batch normalisation alike. The first steps count
    more than later ones do, so that the random start is soon forgotten.

    Parameters
    ----------
    average, encoder : network
        Of the same architecture.
    keep : float
        What the average keeps of itself, after the first steps.
    steps_done : int
    """
    now = min(keep, (1 + steps_done) / (10 + steps_done))
    new = encoder.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1.0 - now)
        else:
            value.copy_(new[name])
