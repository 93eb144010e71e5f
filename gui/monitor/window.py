"""The monitor window: draws views, never changes what they come from."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.common.screenshot import save_for_logbook, versions
from specklenn.gui.common.theme import STYLE_SHEET, class_styles
from specklenn.gui.monitor.banner import Banner
from specklenn.gui.monitor.gallery import Gallery
from specklenn.gui.monitor.help import HelpPanel
from specklenn.gui.monitor.overlay import Overlay
from specklenn.gui.monitor.rate_plot import RatePlot
from specklenn.gui.monitor.rate_tiles import RateTiles
from specklenn.gui.monitor.status_bar import StatusBar
from specklenn.gui.monitor.view import Choices, Freshness, View

LARGEST_GALLERY = 0.58
"""Share of the width; the rest belongs to tiles and plot."""

GAP = 10
"""Pixels that the splitter and its neighbours keep free."""

DIM = (Freshness.STALE, Freshness.DISCONNECTED)
WAITING_WORDS = (
    "Nothing has come for {age}. Start the analysis with “specklenn run”, and check "
    "that its publish.endpoint is this address. This window goes on trying by itself."
)


class MonitorWindow(QtWidgets.QWidget):
    """Status strip, banner, tiles, plot and gallery.

    `chosen` is emitted when the person wants another window or average, `resumed`
    when the picture goes on after a pause.

    Parameters
    ----------
    endpoint : str
        Where the data come from, for people to read.
    clock : callable
        Unix epoch seconds, for the time on pictures.
    """

    chosen = QtCore.Signal()
    resumed = QtCore.Signal()

    def __init__(self, endpoint: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.setWindowTitle("specklenn monitor")
        self.setStyleSheet(STYLE_SHEET)
        self._endpoint = endpoint
        self._clock = clock
        self._origin = f"{endpoint}  ·  {versions()}"
        self._classes: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._problem = ""
        self._gallery_dragged = False
        self._pause = self._action("Pause", "Space", "hold the picture, or go on")
        self._pause.setCheckable(True)
        self._pause.toggled.connect(self._set_paused)
        save = self._action("PNG", "Ctrl+S", "save the picture with time and versions")
        save.triggered.connect(self.save_picture)
        follow = self._action("Home", "Home", "let the plot follow the data again")
        explain = self._action("Help", "F1", "show or hide this list")
        leave = self._action("Quit", "Ctrl+Q", "close the window")
        leave.triggered.connect(self.close)
        self.strip = StatusBar([self._pause, save, explain])
        self.banner = Banner()
        self.tiles = RateTiles()
        self.plot = RatePlot()
        self.plot.chosen.connect(self.chosen.emit)
        follow.triggered.connect(self.plot.follow)
        self.gallery = Gallery()
        self.status = ElidedLabel(muted=True)
        self.source = ElidedLabel(self._origin, muted=True)
        self._lay_out()
        self.veil = Overlay(self._body)
        self.help = HelpPanel(self, self.actions())
        explain.triggered.connect(self.help.toggle)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.ClickFocus)
        self.setFocus()

    @property
    def paused(self) -> bool:
        """Whether the picture stands still."""
        return bool(self._pause.isChecked())

    def choices(self) -> Choices:
        """Window and average that the person chose."""
        return self.plot.choices()

    def set_view(self, view: View) -> None:
        """Draw everything."""
        self._set_classes(tuple(rate.name for rate in view.rates))
        self.strip.set_view(view)
        self.banner.set_sentences(view.failures)
        self._set_veil(view)
        if view.header is None or view.series is None:
            return
        self._names = (view.header.experiment, view.header.run)
        self.tiles.set_rates(view.rates, _over(self.choices(), view.over_s))
        self.plot.set_marks(view.marks)
        self.plot.set_series(view.series)
        if self.gallery.set_examples(view.examples):
            self._share_width()

    def set_bad_messages(self, number: int, problem: str) -> None:
        """Say how many messages could not be read."""
        self._problem = problem
        self.strip.set_bad_messages(number, problem)

    def set_status(self, words: str) -> None:
        """Show what happened last, in the bottom line."""
        self.status.set_text(words)

    def save_picture(self) -> None:
        """Save the picture for a logbook into the current folder."""
        try:
            target = save_for_logbook(self, self._names, self._clock())
        except OSError as error:
            self.set_status(f"picture not saved: {error}")
        else:
            self.set_status(f"saved {target}")

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Share the new width between plot and gallery."""
        super().resizeEvent(event)
        self._share_width()

    def _action(self, text: str, keys: str, tip: str) -> QtGui.QAction:
        action = QtGui.QAction(text, self)
        action.setShortcut(QtGui.QKeySequence(keys))
        action.setToolTip(tip)
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        left = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addWidget(self.tiles)
        column.addWidget(self.plot, 1)
        self._split = QtWidgets.QSplitter(QtCore.Qt.Orientation.Horizontal)
        self._split.addWidget(left)
        self._split.addWidget(self.gallery)
        self._split.setChildrenCollapsible(False)
        self._split.splitterMoved.connect(self._keep_dragged)
        self._body = QtWidgets.QWidget()
        around = QtWidgets.QVBoxLayout(self._body)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._split)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(self.status, 1)
        foot.addWidget(self.source)
        whole = QtWidgets.QVBoxLayout(self)
        whole.setSizeConstraint(QtWidgets.QLayout.SizeConstraint.SetNoConstraint)
        whole.setContentsMargins(6, 6, 6, 3)
        whole.setSpacing(5)
        whole.addWidget(self.strip)
        whole.addWidget(self.banner)
        whole.addWidget(self._body, 1)
        whole.addLayout(foot)

    def _keep_dragged(self) -> None:
        self._gallery_dragged = True

    def _share_width(self) -> None:
        """Give the gallery what it can fill, the plot the rest."""
        if self._gallery_dragged:
            return
        width = self._split.width()
        most = min(LARGEST_GALLERY * width, width - self.tiles.fitting_width() - GAP)
        wanted = self.gallery.fitting_width(int(most), self._split.height())
        gallery = max(width // 3, wanted)
        self._split.setSizes([width - gallery, gallery])

    def _set_classes(self, classes: tuple[str, ...]) -> None:
        if classes == self._classes:
            return
        self._classes = classes
        styles = class_styles(classes)
        self.tiles.set_classes(styles)
        self.plot.set_classes(styles)
        self.gallery.set_classes(styles)

    def _set_veil(self, view: View) -> None:
        if view.header is None:
            words = (
                f"Messages come, but this window cannot read them: {self._problem}"
                if self._problem
                else WAITING_WORDS.format(age=formats.age(view.age_s))
            )
            self.veil.set_words(f"Waiting for data on {self._endpoint}", words)
            return
        dim = view.freshness in DIM
        self.veil.set_dimmed(dim)
        self.source.set_mark("warn", "true" if dim else "false")
        self.source.set_text(
            f"no data for {formats.age(view.age_s)}: what you see is the state of "
            f"{formats.clock_time(view.updated_s)}"
            if dim
            else self._origin
        )

    def _set_paused(self, paused: bool) -> None:
        if paused:
            self.strip.set_paused(formats.clock_time(self._clock()))
        else:
            self.resumed.emit()


def _over(choices: Choices, over_s: float) -> str:
    if choices.window_s is None:
        return "whole run"
    return f"last {formats.duration(over_s)}"
