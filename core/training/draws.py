"""Random numbers of an episode."""

from __future__ import annotations

import math

import torch


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draw one number evenly between two."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def log_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draw one number evenly in its logarithm."""
    return math.exp(uniform(math.log(low), math.log(high), generator))
