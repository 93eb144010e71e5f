"""A picture of the log of a training: loss and accuracies over the steps."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.data.atomic import replacing
from specklenn.core.reports.plotting import as_bytes, look, new_figure
from specklenn.core.training.history import Line, accuracy
from specklenn.core.training.validate_model import SHOTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(history: Sequence[Line], names: Sequence[str], path: Path) -> None:
    """Draw the log into a PNG file; nothing where matplotlib is not installed.

    Parameters
    ----------
    history : sequence of line
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
    axes: Axes, history: Sequence[Line], column: str, label: str, number: int
) -> None:
    """Draw a column if it has any figure."""
    points = [
        (line["step"], line[column])
        for line in history
        if line.get(column, float("nan")) == line.get(column)
    ]
    axes.set_xlabel("step")
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, label=label, markersize=3, **look(number))
