"""The log of a training: a table with a line for every validation."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from specklenn.core.data.atomic import replacing
from specklenn.core.data.hdf5_file import reason
from specklenn.core.errors import DataError
from specklenn.core.training.validate_model import SHOTS

Line = dict[str, float]
"""Figures by column; a column that is missing stays empty."""

FIGURES = ("step", "loss", "semi_hard_share", "learning_rate", "patterns_per_second")
ALONE = ("network_patterns_per_second", "drawing_patterns_per_second")


def columns(validation: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a log, given the names of the validation files."""
    accuracies = [accuracy(name, shots) for name in validation for shots in SHOTS]
    return (*FIGURES, *ALONE, "score", *accuracies, "seconds")


def accuracy(name: str, shots: int) -> str:
    """Return the column of a validation file's accuracy."""
    return f"{name}_{shots}_shot"


class Log:
    """A CSV file that grows by a line at a time.

    Parameters
    ----------
    path : Path
    columns : tuple of str

    Raises
    ------
    DataError
        If a line cannot be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self._columns = columns

    def rewrite(self, history: Iterable[Line]) -> None:
        """Write the log up to now, whatever the file held."""
        with replacing(self.path) as (part,), part.open("w", newline="") as file:
            self._writer(file).writeheader()
            self._writer(file).writerows(map(self._texts, history))

    def append(self, line: Line) -> None:
        """Add a line."""
        try:
            with self.path.open("a", newline="") as file:
                self._writer(file).writerow(self._texts(line))
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be written: {reason(error)}"
            ) from error

    def _writer(self, file: TextIO) -> csv.DictWriter[str]:
        return csv.DictWriter(file, self._columns, lineterminator="\n")

    def _texts(self, line: Line) -> dict[str, str]:
        # A figure that is not a number, as the semi-hard share of episodes, is empty.
        return {
            name: f"{value:.6g}" if name != "step" else f"{value:.0f}"
            for name, value in line.items()
            if value == value
        }
