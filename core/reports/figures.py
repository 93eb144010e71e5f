"""Figures of few-shot accuracy: by supports, class, fluence and size of the sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.scores import Estimate, Score, ScoreSummary
from specklenn.core.reports.plotting import GREY, look, mark_chance, new_figure
from specklenn.core.reports.sample_sizes import Sizes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scores = Mapping[int, ScoreSummary]
"""By the number of supports per class."""

SIZE_AXES = {
    "atoms": ("number of atoms (thousands)", 1000.0),
    "radius_angstrom": ("radius of the particle (Å)", 1.0),
}
"""Label of the axis and its unit."""

SHORT_SPAN, LONG_SPAN = 3.0, 20.0
"""Largest over smallest size; which numbers stand on the axis."""
SPREAD = 0.12


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What is drawn of scores.

    Parameters
    ----------
    of_all, of_sample : function
        Take it from a summary and from the score of a sample.
    axis_label : str
        ``{}`` in it is the first class.
    """

    of_all: Callable[[ScoreSummary], Estimate]
    of_sample: Callable[[Score], float]
    axis_label: str


QUANTITIES = (
    Quantity(
        of_all=lambda summary: summary.accuracy,
        of_sample=lambda score: score.accuracy,
        axis_label="accuracy",
    ),
    Quantity(
        of_all=lambda summary: summary.f1,
        of_sample=lambda score: score.f1,
        axis_label="F1 of {}",
    ),
)


def draw_reliability(confidence: Confidence) -> Figure:
    """Draw how often labels are right over their scores."""
    found = confidence.reliability
    filled = found.shots > 0
    share = found.shots[filled] / found.shots.sum()
    with new_figure(3.6, 3.4) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        axes.scatter(
            found.score[filled], found.right[filled], 10 + 600 * share, alpha=0.7
        )
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("score of the label")
        axes.set_ylabel("share that is right")
    return figure


def draw_accuracy(scores: Scores, first_class: str) -> Figure:
    """Draw accuracy and F1 over the number of supports, with a point per sample."""
    with new_figure(7.0, 3.2) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, quantity in zip(panels, QUANTITIES, strict=True):
            for place, summary in enumerate(scores.values()):
                _draw_column(axes, place, summary, quantity)
            axes.set_xticks(range(len(scores)), list(map(str, scores)))
            axes.set_xlim(-0.5, len(scores) - 0.25)  # room for the last number
            axes.grid(axis="x", visible=False)
            axes.set_xlabel("supports per class")
            axes.set_ylabel(quantity.axis_label.format(first_class))
            axes.tick_params(labelleft=True)
    return figure


def _draw_column(
    axes: Axes, place: int, summary: ScoreSummary, quantity: Quantity
) -> None:
    values = np.sort([quantity.of_sample(one) for one in summary.per_sample.values()])
    # Side by side in a fixed pattern, since many samples have about the same value.
    offsets = SPREAD * np.cos(2.4 * np.arange(len(values)))
    axes.plot(place + offsets, values, ".", color=GREY, alpha=0.5, markersize=4)
    found = quantity.of_all(summary)
    axes.errorbar(
        [place],
        [found.mean],
        [[found.mean - found.low], [found.high - found.mean]],
        **look(0),
        markersize=6,
        capsize=7,
        linewidth=1.6,
        zorder=3,
    )
    axes.annotate(
        f"{found.mean:.3f}",
        (place + SPREAD, found.mean),
        textcoords="offset points",
        xytext=(8, 0),
        va="center",
        fontsize=8,
    )


def draw_confusion(scores: Scores) -> Figure:
    """Draw how often each class is taken for each, for every number of supports."""
    size = len(next(iter(scores.values())).confusion)
    side = 1.1 + 0.62 * size
    with new_figure(1.2 + side * len(scores), 1.0 + side) as figure:
        panels = figure.subplots(1, len(scores), squeeze=False)[0]
        for number, (axes, n_shot) in enumerate(zip(panels, scores, strict=True)):
            _draw_matrix(axes, scores[n_shot].confusion, labelled=number == 0)
            axes.set_title(_supports(n_shot))
    return figure


def _draw_matrix(
    axes: Axes, confusion: Mapping[str, Mapping[str, float]], *, labelled: bool
) -> None:
    names = list(confusion)
    shares = np.array([[confusion[true][found] for found in names] for true in names])
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else "black"
        words = f"{100 * share:.1f} %"
        axes.text(column, row, words, ha="center", va="center", color=colour)
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(names)), [_broken(name) for name in names], **turned)
    axes.set_yticks(range(len(names)), [_broken(name) for name in names])
    axes.tick_params(length=0, labelleft=labelled)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("found")
    axes.set_ylabel("true" if labelled else "")


def draw_fluence(
    scan: Mapping[float, Scores], n_classes: int, first_class: str
) -> Figure:
    """Draw accuracy and F1 over fluence, a line per number of supports (Fig. 6).

    Parameters
    ----------
    scan : dict of fluence to scores
    n_classes : int
        How many are told apart.
    first_class : str
        Whose F1 is drawn.
    """
    fluences = sorted(scan)
    numbers = [n_shot for n_shot in scan[fluences[-1]] if _in_all(n_shot, scan)]
    with new_figure(7.4, 3.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, quantity in zip(panels, QUANTITIES, strict=True):
            for place, n_shot in enumerate(numbers):
                drawn = [quantity.of_all(scan[fluence][n_shot]) for fluence in fluences]
                style = {**look(place), "label": _supports(n_shot)}
                _draw_line(axes, fluences, drawn, style)
            axes.set_xscale("log")
            axes.set_xlabel("fluence (1: baseline)")
            axes.set_ylabel(quantity.axis_label.format(first_class))
            axes.tick_params(labelleft=True)
        mark_chance(panels[0], 1 / n_classes)
        panels[1].legend(loc="lower right")
    return figure


def _draw_line(
    axes: Axes,
    fluences: Sequence[float],
    estimates: Sequence[Estimate],
    style: Mapping[str, Any],
) -> None:
    low, high = [one.low for one in estimates], [one.high for one in estimates]
    shade = {"color": style["color"], "alpha": 0.18, "linewidth": 0}
    axes.fill_between(fluences, low, high, **shade)
    axes.plot(fluences, [one.mean for one in estimates], **style, markersize=4)


def draw_sizes(
    at_fluence: Mapping[str, Scores], sizes: Sizes, first_class: str
) -> Figure:
    """Draw accuracy and F1 of every sample over its size (Fig. 7).

    Parameters
    ----------
    at_fluence : dict of label to scores
        One or two fluences, below each other.
    sizes : Sizes
    first_class : str
        Whose F1 is drawn.
    """
    numbers = list(next(iter(at_fluence.values())))
    rows = [(quantity, label) for quantity in QUANTITIES for label in at_fluence]
    with new_figure(1.2 + 2.3 * len(numbers), 0.4 + 1.9 * len(rows)) as figure:
        panels = figure.subplots(
            len(rows), len(numbers), squeeze=False, sharex=True, sharey=True
        )
        for (quantity, label), line in zip(rows, panels, strict=True):
            of = quantity.axis_label.format(first_class)
            line[0].set_ylabel(f"{of},\n{label}" if label else of)
            style = look(list(at_fluence).index(label))
            for axes, n_shot in zip(line, numbers, strict=True):
                summary = at_fluence[label].get(n_shot)
                per_sample = {} if summary is None else summary.per_sample
                values = {name: quantity.of_sample(s) for name, s in per_sample.items()}
                _draw_samples(axes, values, sizes, style)
        for axes, n_shot in zip(panels[0], numbers, strict=True):
            axes.set_title(_supports(n_shot))
        _label_sizes(panels[-1], sizes)
    return figure


def _draw_samples(
    axes: Axes, values: Mapping[str, float], sizes: Sizes, style: Mapping[str, Any]
) -> None:
    names = [name for name in values if name in sizes.of]
    _, unit = SIZE_AXES[sizes.quantity]
    axes.plot(
        [sizes.of[name] / unit for name in names],
        [values[name] for name in names],
        **style,
        linestyle="",
        markersize=4,
        alpha=0.7,
    )


def _label_sizes(bottom: Sequence[Axes], sizes: Sizes) -> None:
    """Put plain numbers on the axis of sizes, logarithmic unless it is short."""
    from matplotlib.ticker import LogLocator, NullLocator

    for axes in bottom:
        axes.set_xlabel(SIZE_AXES[sizes.quantity][0])
    span = max(sizes.of.values()) / min(sizes.of.values())
    if span < SHORT_SPAN:
        return
    shared = bottom[0]
    shared.set_xscale("log")
    steps = (1, 2, 5) if span > LONG_SPAN else (1, 1.5, 2, 3, 4, 5, 7)
    shared.xaxis.set_major_locator(LogLocator(subs=steps))
    shared.xaxis.set_major_formatter("{x:g}")
    shared.xaxis.set_minor_locator(NullLocator())


def _supports(n_shot: int) -> str:
    return "1 support per class" if n_shot == 1 else f"{n_shot} supports per class"


def _in_all(n_shot: int, scan: Mapping[float, Scores]) -> bool:
    return all(n_shot in scores for scores in scan.values())


def _broken(name: str) -> str:
    return name.replace("+", "\n+ ")
