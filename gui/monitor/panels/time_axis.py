"""A time axis with as many labels as fit, in this machine's zone."""

from __future__ import annotations

import datetime
import math

import pyqtgraph

STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
PIXELS_PER_LABEL = 90
EARLIEST_S, LATEST_S = 0.0, 4_102_444_800.0


class TimeAxis(pyqtgraph.AxisItem):
    """Axis of Unix epoch seconds, labelled with the time of day."""

    def __init__(self) -> None:
        super().__init__("bottom")

    def tickValues(
        self, low: float, high: float, size: float
    ) -> list[tuple[float, list[float]]]:
        """Place ticks on round local times."""
        start, end = max(low, EARLIEST_S), min(high, LATEST_S)
        step = fitting_step(end - start, size)
        offset = _offset_s(start)
        first = math.ceil((start + offset) / step) * step - offset
        number = max(0, int((end - first) // step) + 1)
        return [(float(step), [first + i * step for i in range(number)])]

    def tickStrings(
        self, values: list[float], scale: float, spacing: float
    ) -> list[str]:
        """Write times to the second only where ticks are that close."""
        style = "%H:%M:%S" if spacing < 60 else "%H:%M" if spacing < 86_400 else "%d %b"
        return [f"{_local(value):{style}}" for value in values]


def fitting_step(span_s: float, pixels: float) -> int:
    """Shortest round step that leaves room for its labels; all in seconds."""
    labels = max(1.0, pixels / PIXELS_PER_LABEL)
    for step in STEPS_S:
        if span_s / step <= labels:
            return step
    return math.ceil(span_s / labels / STEPS_S[-1]) * STEPS_S[-1]


def _local(epoch_s: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch_s).astimezone()


def _offset_s(epoch_s: float) -> float:
    offset = _local(epoch_s).utcoffset()
    return offset.total_seconds() if offset else 0.0
