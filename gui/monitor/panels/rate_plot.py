"""Rate of every class over time, with its 95 % band."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats, theme
from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.common.theme import ClassStyle
from specklenn.gui.monitor.history import RateSeries
from specklenn.gui.monitor.panels.confidence_band import ConfidenceBand
from specklenn.gui.monitor.panels.time_axis import TimeAxis
from specklenn.gui.monitor.state import BOXCARS_S
from specklenn.gui.monitor.view import Choices

WINDOWS_S = ((60.0, "last 1 min"), (300.0, "last 5 min"), (600.0, "last 10 min"))
SHORTEST_VIEW_S = 10.0
LOWEST_TOP = 1.0
SAMPLE_WIDTH, SAMPLE_HEIGHT = 26, 12


class RatePlot(QtWidgets.QFrame):
    """Curves, legend and the choice of window and average.

    `chosen` is emitted when the person picks another window or average.
    """

    chosen = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.windows = _chooser(
            "Window of the rates and of this plot",
            [(text, length) for length, text in WINDOWS_S] + [("whole run", None)],
            WINDOWS_S[-1][0],
        )
        self.boxcars = _chooser(
            "Length of the moving average",
            [("average: auto", None)]
            + [(f"average: {formats.duration(s)}", s) for s in BOXCARS_S],
            None,
        )
        for chooser in (self.windows, self.boxcars):
            chooser.currentIndexChanged.connect(lambda _index: self.chosen.emit())
        self.hint = ElidedLabel(muted=True)
        self.plot = _plot()
        self.plot.getViewBox().sigRangeChangedManually.connect(self._hold_range)
        self.curves: dict[str, pyqtgraph.PlotDataItem] = {}
        self.confidence_bands: dict[str, ConfidenceBand] = {}
        self.entries: dict[str, QtWidgets.QToolButton] = {}
        self._lines: list[pyqtgraph.InfiniteLine] = []
        self._marks: tuple[tuple[float, str], ...] = ()
        self._series: RateSeries | None = None
        self._range_held = False
        self._legend = QtWidgets.QHBoxLayout()
        self._legend.setSpacing(2)
        self._lay_out()

    def choices(self) -> Choices:
        """Window and average that are chosen now."""
        return Choices(
            window_s=self.windows.currentData(), boxcar_s=self.boxcars.currentData()
        )

    def set_classes(self, styles: dict[str, ClassStyle]) -> None:
        """Build one curve, band and legend entry per class."""
        for item in (*self.curves.values(), *self.confidence_bands.values()):
            self.plot.removeItem(item)
        for entry in self.entries.values():
            self._legend.removeWidget(entry)
            entry.deleteLater()
        self.curves, self.confidence_bands, self.entries = {}, {}, {}
        for name, style in styles.items():
            self._add_class(name, style)
        self._series = None

    def set_series(self, series: RateSeries) -> None:
        """Draw rates; the same object again costs nothing."""
        if series is self._series:
            return
        self._series = series
        self._draw(series)

    def set_marks(self, marks: tuple[tuple[float, str], ...]) -> None:
        """Draw a vertical line with words at each time."""
        if marks == self._marks:
            return
        self._marks = marks
        for line in self._lines:
            self.plot.removeItem(line)
        self._lines = [_mark(when, words) for when, words in marks]
        for line in self._lines:
            self.plot.addItem(line, ignoreBounds=True)

    def follow(self) -> None:
        """Show the newest data at a fitting scale again."""
        self._range_held = False
        if self._series is not None:
            self._draw(self._series)

    def _lay_out(self) -> None:
        head = QtWidgets.QHBoxLayout()
        head.addWidget(ElidedLabel("Rate per class", bold=True))
        head.addWidget(self.hint, 1)
        head.addWidget(self.windows)
        head.addWidget(self.boxcars)
        legend = QtWidgets.QHBoxLayout()
        legend.addLayout(self._legend)
        legend.addStretch(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 4)
        column.setSpacing(4)
        column.addLayout(head)
        column.addLayout(legend)
        column.addWidget(self.plot, 1)

    def _add_class(self, name: str, style: ClassStyle) -> None:
        pen = _pen(style, 2)
        curve = self.plot.plot([], [], pen=pen, connect="finite")
        band = ConfidenceBand(style.colour)
        self.plot.addItem(band, ignoreBounds=True)
        entry = QtWidgets.QToolButton()
        entry.setCheckable(True)
        entry.setChecked(name not in theme.HIDDEN_AT_FIRST)
        entry.setText(name)
        entry.setIcon(_sample(style))
        entry.setIconSize(QtCore.QSize(SAMPLE_WIDTH, SAMPLE_HEIGHT))
        entry.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        entry.setToolTip(f"Click to show or hide the curve of {name}")
        entry.toggled.connect(lambda _shown: self._show_chosen())
        self._legend.addWidget(entry)
        self.curves[name] = curve
        self.confidence_bands[name] = band
        self.entries[name] = entry
        curve.setVisible(entry.isChecked())
        band.setVisible(entry.isChecked())

    def _show_chosen(self) -> None:
        for name, entry in self.entries.items():
            self.curves[name].setVisible(entry.isChecked())
            self.confidence_bands[name].setVisible(entry.isChecked())
        self.follow()

    def _draw(self, series: RateSeries) -> None:
        columns = zip(self.curves.values(), self.confidence_bands.values(), strict=True)
        for i, (curve, band) in enumerate(columns):
            curve.setData(series.times, 100 * series.rates[:, i])
            band.set_data(series.times, 100 * series.low[:, i], 100 * series.high[:, i])
        self._set_texts(series)
        if not self._range_held:
            self._fit_range(series)

    def _set_texts(self, series: RateSeries) -> None:
        average = formats.duration(series.boxcar_s)
        self.plot.setLabel("left", f"% of shots, average of {average}")
        if len(series.times):
            zone = formats.zone(float(series.times[-1]))
            self.plot.setLabel("bottom", f"time ({zone})")
        if self._range_held:
            self.hint.set_text("range held: press Home to follow")
        elif not np.isfinite(series.rates).any():
            self.hint.set_text(f"first point after {average} of shots")
        else:
            self.hint.set_text("with 95 % bands")

    def _fit_range(self, series: RateSeries) -> None:
        if not len(series.times):
            return
        end = float(series.times[-1])
        start = min(float(series.times[0]), end - SHORTEST_VIEW_S)
        shown = [i for i, e in enumerate(self.entries.values()) if e.isChecked()]
        highs = 100 * series.high[:, shown]
        top = float(np.nanmax(highs)) if np.isfinite(highs).any() else LOWEST_TOP
        box = self.plot.getViewBox()
        box.setRange(
            xRange=(start, end + 0.01 * (end - start)),
            yRange=(-0.02 * top, max(LOWEST_TOP, 1.06 * top)),
            padding=0,
        )

    def _hold_range(self) -> None:
        self._range_held = True
        self.hint.set_text("range held: press Home to follow")


def _plot() -> pyqtgraph.PlotWidget:
    axes = {"bottom": TimeAxis()}
    plot = pyqtgraph.PlotWidget(axisItems=axes, background=theme.PANEL)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.showGrid(x=True, y=True, alpha=0.18)
    plot.getViewBox().setLimits(minXRange=5.0, yMin=-5.0, yMax=105.0)
    plot.getViewBox().disableAutoRange()
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setTextPen(theme.TEXT)
        axis.setPen(theme.MUTED)
        axis.enableAutoSIPrefix(False)
    return plot


def _pen(style: ClassStyle, width: int) -> QtGui.QPen:
    pen = pyqtgraph.mkPen(style.colour, width=width)
    if style.dashes:
        pen.setDashPattern(style.dashes)
    return pen


def _sample(style: ClassStyle) -> QtGui.QIcon:
    """Draw a short piece of the curve for the legend, bright or dimmed."""
    icon = QtGui.QIcon()
    for state, opacity in ((QtGui.QIcon.State.On, 1.0), (QtGui.QIcon.State.Off, 0.3)):
        picture = QtGui.QPixmap(SAMPLE_WIDTH, SAMPLE_HEIGHT)
        picture.fill(QtCore.Qt.GlobalColor.transparent)
        painter = QtGui.QPainter(picture)
        painter.setOpacity(opacity)
        painter.setPen(_pen(style, 2))
        middle = SAMPLE_HEIGHT // 2
        painter.drawLine(0, middle, SAMPLE_WIDTH, middle)
        painter.end()
        icon.addPixmap(picture, QtGui.QIcon.Mode.Normal, state)
    return icon


def _mark(when: float, words: str) -> pyqtgraph.InfiniteLine:
    return pyqtgraph.InfiniteLine(
        pos=when if math.isfinite(when) else 0.0,
        angle=90,
        pen=pyqtgraph.mkPen(theme.MUTED, width=1),
        label=words,
        labelOpts={"position": 0.94, "color": theme.TEXT, "fill": theme.RAISED},
    )


def _chooser(
    tip: str, entries: list[tuple[str, float | None]], chosen: float | None
) -> QtWidgets.QComboBox:
    box = QtWidgets.QComboBox()
    for text, value in entries:
        box.addItem(text, value)
    box.setCurrentIndex([value for _, value in entries].index(chosen))
    box.setToolTip(tip)
    return box
