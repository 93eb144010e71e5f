"""A contact sheet: patterns in rows, with captions, on one picture, as PNG."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
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
"""Share of a row's lit pixels that is no brighter than what is bright in it."""

LEAST_TOP = 10.0
"""Photons per pixel of the brightest colour of a sheet of nothing but noise."""

COLOUR_MAP = "inferno"
MASK_COLOUR = "#7f8a8f"
PIXELS_PER_INCH = 128
"""A power of two, so that sizes in inches are whole pixels without rounding."""


PHOTONS = "photons per pixel"

CAPTION_LINE = 14
"""Height of a line of a caption, pixels of the PNG."""

LETTER = 7.4
"""Width of a digit of a caption, pixels of the PNG."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetRow:
    """Patterns that stand beside each other.

    Parameters
    ----------
    label : str
        Beside the row, as the name of their class; may be empty.
    patterns : (n, H, W) float32, photons per pixel
        Pixels that are no number are grey.
    captions : tuple of str
        Below each pattern, of one or several lines; empty for none.
    """

    label: str
    patterns: Photons
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The logarithmic scale of the colours of all pictures on a sheet.

    Parameters
    ----------
    floor, top : float
        Values of the darkest and of the brightest colour.
    unit : str
        What they are, for the colour bar.
    """

    floor: float
    top: float
    unit: str = PHOTONS

    @classmethod
    def of_photons(cls, rows: Sequence[SheetRow], mask: Mask | None = None) -> Scale:
        """Return a scale from `FLOOR` to what is `brightest`."""
        return cls(floor=FLOOR, top=brightest([row.patterns for row in rows], mask))

    @classmethod
    def of_values(cls, rows: Sequence[SheetRow], unit: str) -> Scale:
        """Return a scale for values of which nobody knows how many are a photon.

        From the darkest hundredth, or a hundredth of the brightest where that is not
        above 0, to the brightest thousandth.
        """
        every = np.concatenate(
            [row.patterns[np.isfinite(row.patterns)] for row in rows]
        )
        low, top = np.quantile(every, [0.01, BRIGHT_SHARE]) if len(every) else (0, 0)
        top = float(top) if top > 0 else 1.0
        floor = float(low) if 0 < low < top else min(FLOOR, top / 100)
        return cls(floor=floor, top=top, unit=unit)

    @property
    def ticks(self) -> list[float]:
        """Round values for the colour bar, at least three."""
        powers = range(-12, 13)
        found = [t for power in powers for t in (10.0**power, 3 * 10.0**power)]
        inside = [tick for tick in found if 1.2 * self.floor < tick <= self.top]
        if len(inside) > 1:
            return [self.floor, *inside]
        return [float(tick) for tick in np.geomspace(self.floor, self.top, 4)]


@dataclass(frozen=True)
class Sheet:
    """Where things are on a sheet; lengths in pixels of the PNG.

    Parameters
    ----------
    rows, columns : int
        Pictures down and across.
    height, width : int
        Size of a pattern, detector pixels.
    caption_lines : int
        Below every picture.
    """

    rows: int
    columns: int
    height: int
    width: int
    caption_lines: int = 0

    left, right, top, bottom, between = 30, 116, 40, 14, 6

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
        caption = CAPTION_LINE * self.caption_lines
        return width + self.between, height + caption + self.between

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

    def caption(self, row: int, column: int) -> tuple[float, float]:
        """Return the upper end of a caption's middle, fractions from the lower left."""
        x, y, width, _ = self.picture(row, column)
        return x + width / 2, y - 3 / self.size[1]

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
    rows: Sequence[SheetRow],
    mask: Mask | None,
    title: str,
    scale: Scale | None = None,
) -> None:
    """Write a PNG with rows of patterns.

    All pictures share one logarithmic scale, whose darkest colour zero and negative
    pixels have, too; masked pixels and those that are no number are grey. The file is
    complete or not there at all.

    Parameters
    ----------
    path : path
        PNG file to write.
    rows : sequence of SheetRow
        In their order; the number of patterns may differ from row to row.
    mask : (H, W) bool or None
        True for pixels that do not count.
    title : str
    scale : Scale, optional
        By default that of photons.

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
        columns=max(len(row.patterns) for row in rows),
        height=height,
        width=width,
        caption_lines=max(
            (1 + text.count("\n") for row in rows for text in row.captions), default=0
        ),
    )
    figure = _draw(sheet, rows, mask, title, scale or Scale.of_photons(rows, mask))
    _write(Path(path), figure)


def _shape(rows: Sequence[SheetRow], mask: Mask | None) -> tuple[int, int]:
    """Return (H, W), the same for all."""
    if sum(len(row.patterns) for row in rows) == 0:
        raise DataError("contact sheet: no patterns, at least one expected")
    shape = next(row.patterns.shape[1:] for row in rows if len(row.patterns))
    for row in rows:
        found = row.patterns.shape
        if len(row.patterns) and (len(found) != 3 or found[1:] != shape):
            raise DataError(
                f"contact sheet: patterns of {row.label} have the shape {found}, "
                f"(n, H, W) with one H and W for all expected"
            )
    if mask is not None and mask.shape != shape:
        raise DataError(
            f"contact sheet: a mask of shape {mask.shape}, {shape} expected"
        )
    return shape[0], shape[1]


def require_matplotlib(extra: str = "report") -> None:
    """Say now rather than later that contact sheets cannot be drawn."""
    import_optional("matplotlib", "a contact sheet", extra)


def _draw(
    sheet: Sheet,
    rows: Sequence[SheetRow],
    mask: Mask | None,
    title: str,
    scale: Scale,
) -> Figure:
    # Without pyplot, so that no window system is ever looked for.
    from matplotlib.figure import Figure

    across, down = sheet.size
    figure = Figure((across / PIXELS_PER_INCH, down / PIXELS_PER_INCH), PIXELS_PER_INCH)
    colours = _colours(scale)
    for number, row in enumerate(rows):
        label = figure.text(
            *sheet.row_label(number), row.label, fontsize=8, rotation=90
        )
        label.set(ha="center", va="center", parse_math=False)
        for column, pattern in enumerate(row.patterns):
            axes = figure.add_axes(sheet.picture(number, column))
            shown = _visible(pattern, mask, scale.floor)
            axes.imshow(colours.to_rgba(shown), aspect="auto")
            axes.set_axis_off()
        for column, text in enumerate(row.captions):
            _add_caption(figure, sheet, (number, column), text)
    _add_colour_bar(figure, sheet, colours, scale)
    words = figure.text(*sheet.title(), title, fontsize=9.5, weight="bold")
    words.set(ha="left", va="center", parse_math=False)
    return figure


def _add_caption(
    figure: Figure, sheet: Sheet, place: tuple[int, int], text: str
) -> None:
    """Write below a picture, each line as far as it fits."""
    letters = int(sheet.cell[0] / LETTER)
    lines = [
        line if len(line) <= letters else f"{line[: letters - 1]}\u2026"
        for line in text.split("\n")
    ]
    words = figure.text(*sheet.caption(*place), "\n".join(lines), fontsize=6.5)
    words.set(ha="center", va="top", parse_math=False, linespacing=1.1)


def brightest(rows: Sequence[Photons], mask: Mask | None) -> float:
    """Return the photons per pixel of the brightest colour of a sheet.

    The geometric mean of what is bright in each row of patterns, (n, H, W),
    `BRIGHT_SHARE` of its pixels above `FLOOR` being no brighter: debris a thousand
    times brighter than the sample saturates in the middle, and single photons stay
    visible. At least `LEAST_TOP`.
    """
    tops = []
    for patterns in rows:
        counted = patterns if mask is None else patterns[..., ~mask]
        lit = counted[np.isfinite(counted) & (counted > FLOOR)]
        if len(lit):
            tops.append(np.quantile(lit, BRIGHT_SHARE))
    return max(float(np.exp(np.mean(np.log(tops)))) if tops else 0.0, LEAST_TOP)


def _colours(scale: Scale) -> ScalarMappable:
    """Return the colours of a scale."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    colour_map = colormaps[COLOUR_MAP].with_extremes(bad=MASK_COLOUR)
    return ScalarMappable(LogNorm(scale.floor, scale.top), colour_map)


def _visible(pattern: Photons, mask: Mask | None, floor: float) -> Hidden:
    """Return a pattern with grey pixels masked and dark ones at the floor."""
    grey = ~np.isfinite(pattern)
    if mask is not None:
        grey |= mask
    return np.ma.masked_array(np.maximum(pattern, floor), grey)


def _add_colour_bar(
    figure: Figure, sheet: Sheet, colours: ScalarMappable, scale: Scale
) -> None:
    bar = figure.colorbar(
        colours, cax=figure.add_axes(sheet.colour_bar()), extend="max"
    )
    ticks = scale.ticks
    labels = [f"\u2264 {_short(ticks[0])}", *map(_short, ticks[1:])]
    bar.set_ticks(ticks, labels=labels)
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=6.5, which="both")
    bar.set_label(f"{scale.unit}, grey: masked", fontsize=6.5)


def _short(value: float) -> str:
    return f"{value:.4g}" if value >= 1 else f"{value:.2g}"


def _write(path: Path, figure: Figure) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(part, format="png", dpi=PIXELS_PER_INCH)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
