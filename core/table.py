"""A table: columns of one length by their names, one row for each shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import import_optional

Selection = slice | Sequence[int] | npt.NDArray[Any]
"""Which rows: a slice, numbers, or a condition (N,) bool."""

SHOWN = 10
"""Rows of a table that are printed."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length by their names.

    ``table["label"]`` is a column, ``table[table["score"] > 0.9]`` the rows of which
    that is true, in a table.

    Parameters
    ----------
    columns : mapping of str to (N,) array
        In the order in which they are shown.

    Examples
    --------
    >>> table = Table({"shot": np.arange(3), "score": np.array([0.5, 0.9, 0.7])})
    >>> table[table["score"] > 0.6]["shot"].tolist()
    [1, 2]
    """

    columns: Mapping[str, npt.NDArray[Any]]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of one length expected, {lengths} found")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @overload
    def __getitem__(self, key: str) -> npt.NDArray[Any]: ...

    @overload
    def __getitem__(self, key: Selection) -> Table: ...

    def __getitem__(self, key: str | slice | npt.ArrayLike) -> npt.NDArray[Any] | Table:
        """Return a column by its name, or rows by a slice, numbers or a condition."""
        if not isinstance(key, str):
            rows = key if isinstance(key, slice) else np.asarray(key)
            return Table({name: each[rows] for name, each in self.columns.items()})
        if key not in self.columns:
            raise KeyError(f"no column {key!r}; columns: {', '.join(self.columns)}")
        return self.columns[key]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    def to_pandas(self, index: str | None = None) -> Any:
        """Return the table as a pandas ``DataFrame``.

        Parameters
        ----------
        index : str, optional
            Column that becomes the index of the rows.

        Raises
        ------
        MissingPackageError
            If pandas is not installed; everything else works without it.
        """
        pandas = import_optional("pandas", "a table as DataFrame")
        made = pandas.DataFrame(dict(self.columns))
        return made if index is None else made.set_index(index)

    def __str__(self) -> str:
        """Return the first rows as text."""
        if not self.columns:
            return "no columns"
        first = self[:SHOWN]
        cells = [
            [name, *map(_text, column.tolist() if column.dtype.kind != "M" else column)]
            for name, column in first.columns.items()
        ]
        widths = [max(map(len, column)) for column in cells]
        lines = [
            "  ".join(
                cell.rjust(width) for cell, width in zip(row, widths, strict=True)
            )
            for row in zip(*cells, strict=True)
        ]
        left = len(self) - len(first)
        return "\n".join([*lines, f"... and {left} more rows"] if left else lines)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
