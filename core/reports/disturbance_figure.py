"""The figure of disturbances: how much accuracy each of them costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from specklenn.core.evaluation.disturbance_table import DisturbanceTable
from specklenn.core.reports.plotting import COLOURS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = 0.8
"""Of the height of a line, all numbers of supports together."""


def draw_disturbances(table: DisturbanceTable) -> Figure:
    """Draw the loss of accuracy by every disturbance and number of supports.

    Parameters
    ----------
    table : DisturbanceTable
    """
    rows, n_shots = table.disturbed, table.n_shots
    height = BARS / len(n_shots)
    with new_figure(7.0, 1.0 + 0.36 * len(rows)) as figure:
        axes = figure.subplots()
        for number, n_shot in enumerate(n_shots):
            places = np.arange(len(rows)) - BARS / 2 + (number + 0.5) * height
            changes = [table.change(row, n_shot) for row in rows]
            lost = [np.nan if one is None else -100 * one for one in changes]
            colour = COLOURS[number % len(COLOURS)]
            axes.barh(places, lost, height, color=colour, label=f"{n_shot}")
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [row.disturbance.name for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("accuracy lost, percentage points")
        figure.legend(
            title="supports per class", loc="outside upper right", ncols=len(n_shots)
        )
    return figure
