"""A contact sheet: example patterns of every class on one picture, as PNG."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError, import_optional

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Photons = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Hidden = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float32]]
Box = tuple[float, float, float, float]
"""Left, bottom, width and height as fractions of the sheet, from the lower left."""

FLOOR = 0.3
"""Photons per pixel of the darkest colour: below one photon, above read noise."""

BRIGHT_SHARE = 0.999
"""Share of a class's lit pixels that is no brighter than what is bright in it."""

LEAST_TOP = 10.0
"""Photons per pixel of the brightest colour of a sheet of nothing but noise."""

COLOUR_MAP = "inferno"
MASK_COLOUR = "#7f8a8f"
PIXELS_PER_INCH = 128
"""A power of two, so that sizes in inches are whole pixels without rounding."""


@dataclass(frozen=True)
class Sheet:
    """Where things are on a sheet; lengths in pixels of the PNG.

    Parameters
    ----------
    rows, columns : int
        Pictures down and across.
    height, width : int
        Size of a pattern, detector pixels.
    """

    rows: int
    columns: int
    height: int
    width: int

    left, right, top, bottom, between = 30, 100, 40, 14, 6

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a picture; a row of them is about 1300 wide.

        A whole number of times the pattern where that fits, so that every pixel
        of the detector is drawn alike.
        """
        width = min(max(1300 // self.columns, 110), 290)
        if self.width <= width:
            width -= width % self.width
        return width, max(round(width * self.height / self.width), 1)

    @property
    def pitch(self) -> tuple[int, int]:
        """Distance from a picture to the next one across and down."""
        width, height = self.cell
        return width + self.between, height + self.between

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        across, down = self.pitch
        # The title and the colour bar need some space even around one picture.
        width = max(self.left + self.columns * across + self.right, 460)
        return width, max(self.top + self.rows * down + self.bottom, 260)

    def picture(self, row: int, column: int) -> Box:
        """Return where a picture is."""
        x = self.left + column * self.pitch[0]
        y = self.top + row * self.pitch[1]
        return self._box(x, y, *self.cell)

    def colour_bar(self) -> Box:
        """Return where the colour bar is."""
        height = self.size[1] - self.top - 60
        return self._box(self.size[0] - self.right + 8, self.top, 14, min(height, 480))

    def row_label(self, row: int) -> tuple[float, float]:
        """Return the middle of a row's label, fractions from the lower left."""
        x, y, _, height = self._box(12, self.top + row * self.pitch[1], 1, self.cell[1])
        return x, y + height / 2

    def title(self) -> tuple[float, float]:
        """Return the left end of the title's middle line, fractions."""
        x, y, _, height = self._box(self.left, 0, 1, self.top)
        return x, y + height / 2

    def _box(self, x: int, y: int, width: int, height: int) -> Box:
        across, down = self.size
        return x / across, 1 - (y + height) / down, width / across, height / down


def draw_contact_sheet(
    path: str | os.PathLike[str],
    rows: Mapping[str, Photons],
    mask: Mask | None,
    title: str,
) -> None:
    """Write a PNG with a row of example patterns for each class.

    All pictures share one logarithmic scale from `FLOOR` photons, which zero
    and negative pixels are drawn as, too; masked pixels and those that are no
    number are grey. The file is complete or not there at all.

    Parameters
    ----------
    path : path
        PNG file to write.
    rows : mapping of class to (n, H, W) float32, photons per pixel
        In the order of the rows; n may differ from class to class.
    mask : (H, W) bool or None
        True for pixels that do not count.
    title : str

    Raises
    ------
    DataError
        If there is no pattern, shapes do not agree or the file cannot be written.
    MissingPackageError
        If matplotlib is not installed.
    """
    height, width = _shape(rows, mask)
    require_matplotlib()
    sheet = Sheet(
        rows=len(rows),
        columns=max(len(patterns) for patterns in rows.values()),
        height=height,
        width=width,
    )
    figure = _draw(sheet, rows, mask, title)
    _write(Path(path), figure)


def _shape(rows: Mapping[str, Photons], mask: Mask | None) -> tuple[int, int]:
    """Return (H, W), the same for all."""
    if sum(len(patterns) for patterns in rows.values()) == 0:
        raise DataError("contact sheet: no patterns, at least one expected")
    shape = next(p.shape[1:] for p in rows.values() if len(p))
    for name, patterns in rows.items():
        if len(patterns) and (patterns.ndim != 3 or patterns.shape[1:] != shape):
            raise DataError(
                f"contact sheet: patterns of {name} have the shape {patterns.shape}, "
                f"(n, H, W) with one H and W for all expected"
            )
    if mask is not None and mask.shape != shape:
        raise DataError(
            f"contact sheet: a mask of shape {mask.shape}, {shape} expected"
        )
    return shape[0], shape[1]


def require_matplotlib() -> None:
    """Say now rather than later that contact sheets cannot be drawn."""
    import_optional("matplotlib", "a contact sheet", "simulate")


def _draw(
    sheet: Sheet,
    rows: Mapping[str, Photons],
    mask: Mask | None,
    title: str,
) -> Figure:
    # Without pyplot, so that no window system is ever looked for.
    from matplotlib.figure import Figure

    across, down = sheet.size
    figure = Figure((across / PIXELS_PER_INCH, down / PIXELS_PER_INCH), PIXELS_PER_INCH)
    top = brightest(rows, mask)
    colours = _colours(top)
    for row, (name, patterns) in enumerate(rows.items()):
        label = figure.text(*sheet.row_label(row), name, fontsize=8, rotation=90)
        label.set(ha="center", va="center", parse_math=False)
        for column, pattern in enumerate(patterns):
            axes = figure.add_axes(sheet.picture(row, column))
            axes.imshow(colours.to_rgba(_visible(pattern, mask)), aspect="auto")
            axes.set_axis_off()
    _add_colour_bar(figure, sheet, colours, top)
    words = figure.text(*sheet.title(), title, fontsize=9.5, weight="bold")
    words.set(ha="left", va="center", parse_math=False)
    return figure


def brightest(rows: Mapping[str, Photons], mask: Mask | None) -> float:
    """Return the photons per pixel of the brightest colour of a sheet.

    The geometric mean of what is bright in each class, `BRIGHT_SHARE` of its
    pixels above `FLOOR` being no brighter: debris a thousand times brighter than
    the sample saturates in the middle, and single photons stay visible. At least
    `LEAST_TOP`.
    """
    tops = []
    for patterns in rows.values():
        counted = patterns if mask is None else patterns[..., ~mask]
        lit = counted[np.isfinite(counted) & (counted > FLOOR)]
        if len(lit):
            tops.append(np.quantile(lit, BRIGHT_SHARE))
    return max(float(np.exp(np.mean(np.log(tops)))) if tops else 0.0, LEAST_TOP)


def _colours(top: float) -> ScalarMappable:
    """Return the colours of photons from `FLOOR` to `top`."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    colour_map = colormaps[COLOUR_MAP].with_extremes(bad=MASK_COLOUR)
    return ScalarMappable(LogNorm(FLOOR, top), colour_map)


def _visible(pattern: Photons, mask: Mask | None) -> Hidden:
    """Return a pattern with grey pixels masked and dark ones at the floor."""
    grey = ~np.isfinite(pattern)
    if mask is not None:
        grey |= mask
    return np.ma.masked_array(np.maximum(pattern, FLOOR), grey)


def _add_colour_bar(
    figure: Figure, sheet: Sheet, colours: ScalarMappable, top: float
) -> None:
    bar = figure.colorbar(
        colours, cax=figure.add_axes(sheet.colour_bar()), extend="max"
    )
    ticks = [t for power in range(12) for t in (10**power, 3 * 10**power) if t <= top]
    labels = [f"\u2264 {FLOOR:g}", *(f"{tick:g}" for tick in ticks)]
    bar.set_ticks([FLOOR, *ticks], labels=labels)
    bar.ax.tick_params(labelsize=6.5, which="both")
    bar.set_label("photons per pixel, grey: masked", fontsize=6.5)


def _write(path: Path, figure: Figure) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(part, format="png", dpi=PIXELS_PER_INCH)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
