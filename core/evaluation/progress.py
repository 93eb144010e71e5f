"""Going through items while something may show how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

ProgressFn = Callable[[Sequence[Item]], Iterable[Item]]
"""Gives the items one after another, as a progress bar does."""


def silent(items: Sequence[Item]) -> Iterable[Item]:
    """Give the items and show nothing."""
    return items
