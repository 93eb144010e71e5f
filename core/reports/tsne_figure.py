"""The figure of maps of samples with some of their patterns (Fig. 8 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from specklenn.core.reports.contact_sheet import (
    COLOUR_MAP,
    FLOOR,
    MASK_COLOUR,
    brightest,
)
from specklenn.core.reports.plotting import COLOURS, GREY, look, new_figure
from specklenn.core.reports.tsne import SampleMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Pictures = npt.NDArray[np.float32]

ROW_INCHES = 3.5
MAP_INCHES = 3.7
PICTURE_INCHES = 1.65
SUPPORT_COLOUR = "black"


def draw_maps(maps: Sequence[SampleMap], pictures: Sequence[Pictures]) -> Figure:
    """Draw each sample's map and, beside it, the examples of each of its classes.

    Parameters
    ----------
    maps : sequence of SampleMap
    pictures : sequence of (k, H, W) float32, photons per pixel
        Of each sample's examples (`SampleMap.examples`); NaN is masked.
    """
    beside = PICTURE_INCHES * max(len(maps[0].classes), 2)
    with new_figure(MAP_INCHES + beside, ROW_INCHES * len(maps) + 0.6) as figure:
        rows = figure.subfigures(len(maps), 1, squeeze=False)[:, 0]
        for part, each, shown in zip(rows, maps, pictures, strict=True):
            left, right = part.subfigures(1, 2, width_ratios=(MAP_INCHES, beside))
            _draw_map(left.subplots(), each)
            _draw_pictures(right, each, shown)
        _add_legend(figure, maps[0])
    return figure


def _draw_map(axes: Axes, each: SampleMap) -> None:
    from matplotlib.patheffects import withStroke

    for number in range(len(each.classes)):
        mine = (each.true == number) & ~each.supports
        right = mine & (each.found == number)
        _scatter(axes, each.points[right], number, filled=True)
        _scatter(axes, each.points[mine & ~right], number, filled=False)
        ours = each.points[(each.true == number) & each.supports]
        axes.scatter(
            ours[:, 0],
            ours[:, 1],
            s=95,
            marker=look(number)["marker"],
            facecolor=COLOURS[number % len(COLOURS)],
            edgecolor=SUPPORT_COLOUR,
            linewidth=2,
            zorder=4,
        )
    for count, row in enumerate(each.examples, start=1):
        axes.annotate(
            str(count),
            tuple(each.points[row]),
            textcoords="offset points",
            xytext=(13, 11),
            fontsize=9,
            weight="bold",
            arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0},
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=5,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_box_aspect(1)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("t-SNE 1")
    axes.set_ylabel("t-SNE 2")
    axes.set_title(f"{each.name}: accuracy {each.accuracy:.3f}", parse_math=False)


def _scatter(
    axes: Axes, points: npt.NDArray[np.float32], number: int, *, filled: bool
) -> None:
    colour = COLOURS[number % len(COLOURS)]
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=22,
        marker=look(number)["marker"],
        facecolor=colour if filled else "white",
        edgecolor=colour,
        linewidth=1.1,
        alpha=0.8 if filled else 1.0,
        zorder=2 if filled else 3,
    )


def _draw_pictures(figure: SubFigure, each: SampleMap, pictures: Pictures) -> None:
    panels = figure.subplots(2, len(each.classes), squeeze=False)
    scale = _scale(pictures)
    for axes in panels.flat:
        axes.set_axis_off()
    free = [list(column) for column in panels.T]
    for count, (index, picture) in enumerate(
        zip(each.examples, pictures, strict=True), start=1
    ):
        true, taken = each.true[index], each.found[index]
        words = each.classes[true]
        if taken != true:
            words += f",\ntaken for {each.classes[taken]}"
        axes = free[true].pop(0)
        axes.imshow(np.maximum(picture, FLOOR), **scale)
        axes.set_title(f"{count}  {words}", fontsize=7.5, parse_math=False)


def _scale(pictures: Pictures) -> dict[str, Any]:
    """Return the colours of all pictures of a sample: logarithmic, masked in grey."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    colours = colormaps[COLOUR_MAP].with_extremes(bad=MASK_COLOUR)
    return {"norm": LogNorm(FLOOR, brightest([pictures], None)), "cmap": colours}


def _add_legend(figure: Figure, first: SampleMap) -> None:
    from matplotlib.lines import Line2D

    plain: dict[str, Any] = {"linestyle": "", "markersize": 5}
    handles = [
        Line2D([], [], **look(number), **plain, label=name)
        for number, name in enumerate(first.classes)
    ]
    hollow: dict[str, Any] = {"marker": "o", "color": GREY, "markerfacecolor": "white"}
    handles.append(Line2D([], [], **hollow, **plain, label="taken for another class"))
    ringed: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 8}
    ringed |= {"color": GREY, "markeredgecolor": SUPPORT_COLOUR, "markeredgewidth": 2}
    word = "support" if first.n_shot == 1 else "supports"
    handles.append(
        Line2D([], [], **ringed, label=f"the {first.n_shot} {word} per class")
    )
    columns = len(handles) if len(handles) < 5 else 3  # what fits into the width
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
