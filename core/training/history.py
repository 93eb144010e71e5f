"""Training metrics: in memory, as a CSV file, as a PNG file."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from specklenn.core.data.atomic import replacing
from specklenn.core.data.hdf5_file import reason
from specklenn.core.errors import DataError
from specklenn.core.reports.plotting import as_bytes, look, new_figure
from specklenn.core.training.trainer import Step
from specklenn.core.training.validate_model import SHOTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LogRow = dict[str, float]
"""Metrics by column; a column that is missing stays empty."""

METRICS = ("step", "loss", "semi_hard_share", "learning_rate", "patterns_per_second")
ALONE = ("network_patterns_per_second", "drawing_patterns_per_second")


@dataclass
class History:
    """The metrics of every validation, and those of the steps since the last one.

    Parameters
    ----------
    lines : list of LogRow
        The metrics of every validation.
    recent : list of (loss, semi-hard share)
        Of the steps since then.
    best : float
        The highest score.
    seconds : float
        How long the training has taken, interruptions left out.
    """

    lines: list[LogRow] = field(default_factory=list)
    recent: list[tuple[float, float]] = field(default_factory=list)
    best: float = -1.0
    seconds: float = 0.0

    def add(self, step: Step, seconds: float) -> None:
        """Add a step, and how long the training has taken with it."""
        self.recent.append((step.loss, step.semi_hard_share))
        self.seconds = seconds

    def means(self) -> LogRow:
        """Return means over the steps since the last validation."""
        losses, shares = zip(*self.recent, strict=True)
        return {
            "loss": sum(losses) / len(losses),
            "semi_hard_share": sum(shares) / len(shares),
        }

    def record(self, line: LogRow) -> bool:
        """Add the metrics of a validation; returns whether these weights are the best.

        The last ones are where there is no ``score``.
        """
        self.lines.append(line)
        self.recent.clear()
        score = line.get("score")
        if score is not None and score <= self.best:
            return False
        self.best = self.best if score is None else score
        return True

    def state(self) -> str:
        """Return everything that `from_state` needs to go on from this history."""
        return json.dumps(asdict(self))

    @classmethod
    def from_state(cls, state: str) -> History:
        """Return the history with this state."""
        return cls(**json.loads(state))


def columns(validation: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a log, given the names of the validation files."""
    accuracies = [accuracy(name, shots) for name in validation for shots in SHOTS]
    return (*METRICS, *ALONE, "score", *accuracies, "seconds")


def accuracy(name: str, shots: int) -> str:
    """Return the column of a validation file's accuracy."""
    return f"{name}_{shots}_shot"


class Log:
    """A CSV file that grows by a line at a time.

    Raises
    ------
    DataError
        If a line cannot be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self._columns = columns

    def rewrite(self, history: Iterable[LogRow]) -> None:
        """Write the log up to now, whatever the file held."""
        with replacing(self.path) as (part,), part.open("w", newline="") as file:
            self._writer(file).writeheader()
            self._writer(file).writerows(map(self._texts, history))

    def append(self, line: LogRow) -> None:
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

    def _texts(self, line: LogRow) -> dict[str, str]:
        # A metric that is not a number, as the semi-hard share of episodes, is empty.
        return {
            name: f"{value:.6g}" if name != "step" else f"{value:.0f}"
            for name, value in line.items()
            if value == value
        }


def draw_curves(history: Sequence[LogRow], names: Sequence[str], path: Path) -> None:
    """Draw the log into a PNG file; nothing where matplotlib is not installed.

    Parameters
    ----------
    history : sequence of LogRow
    names : sequence of str
        Of the validation files.
    path : Path

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        return
    with new_figure(4.5 * (len(names) + 1), 3.2) as figure:
        first, *others = figure.subplots(1, len(names) + 1, squeeze=False)[0]
        _curve(first, history, "loss", "loss", 0)
        _curve(first, history, "semi_hard_share", "semi-hard share", 1)
        first.set_ylim(bottom=0)
        first.set_title("training")
        first.legend()
        for axes, name in zip(others, names, strict=True):
            axes.set_title(f"accuracy on {name}")
            for number, shots in enumerate(SHOTS):
                label = f"{shots} support{'s' if shots > 1 else ''} per class"
                _curve(axes, history, accuracy(name, shots), label, number)
            axes.legend()
        picture = as_bytes(figure, "png")
    with replacing(path) as (part,):
        part.write_bytes(picture)


def _curve(
    axes: Axes, history: Sequence[LogRow], column: str, label: str, number: int
) -> None:
    """Draw a column if it has any value."""
    points = [
        (line["step"], line[column])
        for line in history
        if line.get(column, float("nan")) == line.get(column)
    ]
    axes.set_xlabel("step")
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, label=label, markersize=3, **look(number))
