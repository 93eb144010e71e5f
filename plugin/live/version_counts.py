"""Counts of a run's shots for each version that classified them.

A version is three numbers of a row: of the model (with its rule), of the supports and
of the fit to hits of the run. They stand for one content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from specklenn.core.class_counts import ClassCounts
from specklenn.core.rows import VERSION_FIELDS, Rows

Numbers = tuple[int, ...]
"""Of the model, the supports and the fit, see `VERSION_FIELDS`."""


class VersionCounts:
    """Shots counted so far, by version.

    Parameters
    ----------
    classes : sequence of str
        Every label there is.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._counts: dict[Numbers, ClassCounts] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[tuple[Numbers, ClassCounts]]:
        return iter(self._counts.items())

    def __getitem__(self, numbers: Numbers) -> ClassCounts:
        """Return the counts of a version; none where it has classified nothing."""
        return self._counts.get(numbers) or ClassCounts(self._classes)

    def add(self, rows: Rows) -> None:
        """Count rows."""
        for found in np.unique(rows[VERSION_FIELDS]):
            counts = self._counts.setdefault(found.item(), ClassCounts(self._classes))
            counts.add(rows[rows[VERSION_FIELDS] == found])
