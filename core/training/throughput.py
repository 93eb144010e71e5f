"""Throughput of the network and of drawing batches: which one holds a training up."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Patterns per second of one process.

    Parameters
    ----------
    network : float
        Of the network, forward and backward, on batches that are ready.
    drawing : float
        Of drawing batches: choosing, turning, exposing and masking patterns.
    """

    network: float
    drawing: float


class ThroughputMeter:
    """Patterns and the time of the steps that showed them, stretch by stretch."""

    def __init__(self) -> None:
        self._patterns, self._seconds = 0, 0.0
        self.start()

    def start(self) -> None:
        """Begin a stretch of steps."""
        self._began = time.monotonic()
        self._shown = 0

    def add(self, patterns: int) -> None:
        """Count the patterns of a step."""
        self._shown += patterns

    def end(self) -> float:
        """End a stretch; returns its patterns per second."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        self._patterns += self._shown
        self._seconds += seconds
        return self._shown / seconds

    def rate(self) -> float:
        """Return patterns per second over all stretches that have ended."""
        return self._patterns / self._seconds if self._seconds else 0.0
