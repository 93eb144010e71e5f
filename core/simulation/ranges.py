"""Ranges in settings: two numbers, the smaller one first."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 < bounds[0] <= bounds[1]:
        raise ValueError(f"{list(bounds)}, 0 < smallest <= largest expected")
    return bounds


def _from_zero(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= bounds[0] <= bounds[1]:
        raise ValueError(f"{list(bounds)}, 0 <= smallest <= largest expected")
    return bounds


def _counts(bounds: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= bounds[0] <= bounds[1]:
        raise ValueError(f"{list(bounds)}, 1 <= fewest <= most expected")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""(smallest, largest), both above 0."""

RangeFromZero = Annotated[tuple[float, float], AfterValidator(_from_zero)]
"""(smallest, largest), 0 or more."""

CountRange = Annotated[tuple[int, int], AfterValidator(_counts)]
"""(fewest, most), at least 1."""
