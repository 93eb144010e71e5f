"""Where a network is trained, and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from specklenn.core.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(wanted: Device, local_rank: int = 0) -> torch.device:
    """Return the device of a process.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda"}
        A graphics card if there is one, by default.
    local_rank : int
        Of the processes on this machine; each has a card of its own.

    Raises
    ------
    ConfigError
        If there is no card for this process.
    """
    cards = torch.cuda.device_count()
    if wanted == "cpu" or (wanted == "auto" and cards == 0):
        return torch.device("cpu")
    if local_rank >= cards:
        raise ConfigError(
            f"device: {wanted}, but PyTorch {torch.__version__} finds {cards} graphics "
            f"cards here, {local_rank + 1} needed, one for each process"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def use_bfloat16(wanted: Precision, device: torch.device) -> bool:
    """Return whether the network computes in bfloat16: on cards that can, if open."""
    if wanted == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return wanted == "bfloat16"
