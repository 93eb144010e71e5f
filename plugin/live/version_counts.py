"""Counts of a run's shots for each version that classified them.

A version is a pair of numbers of a row: that of the model (with its rule) and that of
the supports. Whatever else makes a version, its pair stands for one content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from specklenn.core.class_counts import ClassCounts
from specklenn.core.rows import Rows

Pair = tuple[int, int]
"""Number of the model, version of the supports."""


class VersionCounts:
    """Shots counted so far, by version.

    Parameters
    ----------
    classes : sequence of str
        Every label there is.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._counts: dict[Pair, ClassCounts] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[tuple[Pair, ClassCounts]]:
        return iter(self._counts.items())

    def __getitem__(self, pair: Pair) -> ClassCounts:
        """Return the counts of a version; none where it has classified nothing."""
        return self._counts.get(pair) or ClassCounts(self._classes)

    def add(self, rows: Rows) -> None:
        """Count rows."""
        names = ["model_version", "support_version"]
        for found in np.unique(rows[names]):
            pair = int(found["model_version"]), int(found["support_version"])
            counts = self._counts.setdefault(pair, ClassCounts(self._classes))
            counts.add(rows[rows[names] == found])
