"""How weights change: the optimiser, its learning rate, and their average."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from specklenn.core.training.settings import Training


def make_optimiser(settings: Training, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of what learns; only filters and matrices decay."""
    parameters = [item for item in network.parameters() if item.requires_grad]
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


def make_average(network: nn.Module, keep: float) -> AveragedModel:
    """Return an exponential average of a network over its steps.

    Of weights and the statistics of batch normalisation alike. The first steps count
    more than later ones do, so that the random start is soon forgotten.

    Parameters
    ----------
    network : network
        At the start.
    keep : float
        What the average keeps of itself in a step, after the first ones.
    """

    def move(
        averages: tuple[Tensor, ...] | list[Tensor],
        values: tuple[Tensor, ...] | list[Tensor],
        number: Tensor | int,
    ) -> None:
        kept = min(keep, int(number) / (9 + int(number)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - kept)
            else:
                average.copy_(value)

    average = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    average.update_parameters(network)  # it copies the first network it is given
    return average


def moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimiser remembers of earlier gradients."""
    return {
        f"{number}.{name}": value
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_moments(
    optimiser: torch.optim.Optimizer, remembered: Mapping[str, Tensor]
) -> None:
    """Have an optimiser remember what another one did, see `moments`."""
    state = optimiser.state_dict()
    for key, value in remembered.items():
        number, _, name = key.partition(".")
        state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
    # As the optimiser laid them out: other strides can round differently.
    for parameter, found in optimiser.state.items():
        for name, value in found.items():
            if value.shape == parameter.shape:
                found[name] = torch.empty_like(parameter).copy_(value)
