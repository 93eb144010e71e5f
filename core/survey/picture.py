"""A look at a run as a picture: mean pattern, masked pixels, histograms.

The histograms are of the photons and of the lit pixels of the shots, and of what
pixels read above their pedestal.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specklenn.core.data.atomic import replacing
from specklenn.core.reports.plotting import COLOURS, GREY, as_bytes, new_figure
from specklenn.core.survey.survey import RunSurvey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40
MASK_COLOURS = ("#ffffff", *COLOURS)


def write_picture(path: Path, survey: RunSurvey, title: str) -> None:
    """Write a PNG of a look at a run.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    figure = draw_survey(survey, title)
    with replacing(path) as (part,):
        part.write_bytes(as_bytes(figure, "png"))


def draw_survey(survey: RunSurvey, title: str) -> Figure:
    """Draw mean pattern and mask, and the histograms under them."""
    with new_figure(12, 8) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        axes = figure.subplot_mosaic("aaabbb;ccddee")
        _draw_pattern(axes["a"], survey)
        _draw_masks(axes["b"], survey)
        _draw_photons(axes["c"], survey)
        _draw_lit_pixels(axes["d"], survey)
        _draw_pixel_values(axes["e"], survey)
    return figure


def _draw_pattern(axes: Axes, survey: RunSurvey) -> None:
    sample = survey.sample
    number = (sample.shots.good & (sample.shots.hit | (not sample.of_hits))).sum()
    mean = sample.halves.sum(axis=0) / max(number, 1)
    mean = np.where(survey.preprocessor.mask, np.nan, mean)
    lit = mean[mean > 0]
    floor = np.percentile(lit, 1) if len(lit) else 1.0
    shown = np.log10(np.maximum(mean, floor))
    picture = axes.imshow(shown, extent=_extent(shown), cmap="magma")
    axes.figure.colorbar(picture, ax=axes, label="log10 photons", shrink=0.8)
    what = "hits" if sample.of_hits else "shots"
    axes.set_title(f"mean of {number} {what}")
    _frame_crop(axes, survey)
    rows, columns = survey.preprocessor.window
    middle = (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
    _mark(axes, middle, "+", COLOURS[5], "configured")
    if survey.centre is not None:
        _mark(axes, survey.centre.position, "x", COLOURS[2], "by symmetry")
    axes.legend(loc="upper right", fontsize=7, facecolor="#ffffff", frameon=True)


def _draw_masks(axes: Axes, survey: RunSurvey) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    mask = survey.preprocessor.mask
    numbers = np.zeros(mask.shape, np.int64)
    numbers[mask] = len(survey.masks) + 1
    for number, each in reversed([*enumerate(survey.masks.values(), 1)]):
        numbers[each] = number
    names = [*survey.masks, "not used or without signal"]
    colours = [MASK_COLOURS[k % len(MASK_COLOURS)] for k in range(len(names) + 1)]
    axes.imshow(
        numbers,
        extent=_extent(numbers),
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(names) + 0.5,
        interpolation="nearest",
    )
    for places, marker in (
        (survey.pixels.dead, "v"),
        (survey.pixels.hot, "^"),
        (survey.pixels.stuck, "s"),
    ):
        axes.plot(*(places[:, ::-1] + 0.5).T, marker, color="#000000", markersize=4)
    patches = [
        Patch(color=colours[number], label=name)
        for number, name in enumerate(names, 1)
        if (numbers == number).any()
    ]
    if patches:
        axes.legend(handles=patches, loc="upper right", fontsize=7, frameon=True)
    axes.set_title("masked; triangles and squares: dead, hot, stuck")
    _frame_crop(axes, survey)


def _draw_photons(axes: Axes, survey: RunSurvey) -> None:
    shots = survey.sample.shots
    _draw_shots(axes, survey, np.maximum(shots.photons, 0.5))
    axes.set_xscale("log")
    axes.set_xlabel("photons on the good pixels of a shot")


def _draw_lit_pixels(axes: Axes, survey: RunSurvey) -> None:
    _draw_shots(axes, survey, np.maximum(survey.sample.shots.lit, 0.5))
    _draw_limit(axes, survey.minimum_lit_pixels, COLOURS[1], "makes a hit")
    if survey.no_hits is not None:
        _draw_limit(axes, survey.no_hits.threshold, COLOURS[2], "above no-hits")
    axes.set_xscale("log")
    axes.set_xlabel("lit pixels of a shot")
    axes.legend()


def _draw_shots(
    axes: Axes, survey: RunSurvey, values: npt.NDArray[np.floating]
) -> None:
    """Draw the shots' histogram of positive values, in equal steps of their logarithm.

    Hits and others are on top of each other.
    """
    shots = survey.sample.shots
    good = values[shots.good]
    if len(good):
        low, high = float(good.min()), max(float(good.max()), 1.01 * float(good.min()))
        edges = np.geomspace(0.99 * low, 1.01 * high, BINS).tolist()
        kinds = (("hits", shots.hit), ("others", ~shots.hit))
        axes.hist(
            [values[shots.good & rows] for _, rows in kinds],
            edges,
            color=(COLOURS[0], GREY),
            alpha=0.7,
            label=[name for name, _ in kinds],
            stacked=True,
        )
        axes.legend()
    axes.set_ylabel("shots")


def _draw_pixel_values(axes: Axes, survey: RunSurvey) -> None:
    spectrum, gain = survey.measured.spectrum, survey.measured.gain
    axes.set_xlabel("pixel above its pedestal, detector units")
    axes.set_ylabel("pixels of dim shots")
    if spectrum is None:
        axes.text(0.5, 0.5, "no noise seen", ha="center", transform=axes.transAxes)
        return
    x, counts = spectrum.centres, spectrum.counts
    far = 20 * (x[1] - x[0]) if gain is None else max(3.5 * gain.adu, 4 * gain.noise)
    shown = (x > -far / 3) & (x < far)
    axes.step(x[shown], np.maximum(counts[shown], 0.5), where="mid", color=GREY)
    axes.set_yscale("log")
    _draw_limit(axes, survey.preprocessor.adu_per_photon, COLOURS[1], "configured")
    axes.set_xlim(-far / 3, far)
    if gain is not None:
        _draw_limit(axes, gain.adu, COLOURS[2], gain.way)
    axes.legend()


def _draw_limit(axes: Axes, value: float, colour: str, name: str) -> None:
    axes.axvline(value, color=colour, linewidth=1.2, label=f"{value:.4g} {name}")


def _frame_crop(axes: Axes, survey: RunSurvey) -> None:
    """Draw what is used of the frame."""
    rows, columns = survey.preprocessor.window
    axes.plot(
        [columns.start, columns.stop, columns.stop, columns.start, columns.start],
        [rows.start, rows.start, rows.stop, rows.stop, rows.start],
        color=GREY,
        linewidth=0.8,
    )
    axes.grid(visible=False)


def _mark(
    axes: Axes, place: tuple[float, float], marker: str, colour: str, name: str
) -> None:
    axes.plot(place[1], place[0], marker, color=colour, markersize=10, label=name)


def _extent(picture: npt.NDArray[np.generic]) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top: pixel k reaches from k to k + 1."""
    height, width = picture.shape
    return 0, width, height, 0
