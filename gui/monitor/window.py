"""The monitor window: draws views, never changes what they come from.

Its panels, each in a module of that name::

    status_bar                     how fresh, which run, how many shots, buttons
    banner                         failures, hidden while there is none
    rate_tiles  |                  rate of each class
    ------------|  gallery         newest examples of each class
    rate_plot   |                  rate of each class over time
    version_table                  rates by model and supports, if there were several
    footer                         last message, origin of the data

An `Overlay` darkens the middle when data are old; the help panel lies over all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.help_panel import HelpPanel
from specklenn.gui.common.screenshot import save_for_logbook, versions
from specklenn.gui.common.theme import STYLE_SHEET, class_styles
from specklenn.gui.monitor.panels.banner import Banner
from specklenn.gui.monitor.panels.footer import Footer
from specklenn.gui.monitor.panels.gallery import Gallery
from specklenn.gui.monitor.panels.overlay import Overlay
from specklenn.gui.monitor.panels.rate_plot import RatePlot
from specklenn.gui.monitor.panels.rate_tiles import RateTiles
from specklenn.gui.monitor.panels.status_bar import StatusBar
from specklenn.gui.monitor.panels.version_table import VersionTable
from specklenn.gui.monitor.view import Choices, View

LARGEST_GALLERY = 0.58
"""Share of the width; the rest belongs to tiles and plot."""

GAP = 10
"""Pixels that the splitter and its neighbours keep free."""

EXPLANATION = (
    "Rates are shares of all classified shots in the chosen window, with their 95 % "
    "interval.\nPictures: log(1 + photons), each on its own scale; grey is masked; a "
    "dashed border marks a score below 0.7.\nThe mouse over a row of pictures holds "
    "it. A click on a name below “Rate per class” hides or shows its curve."
)
"""What the help panel says below the list of keys."""


class MonitorWindow(QtWidgets.QWidget):
    """All panels, their keys and their arrangement.

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
        self._clock = clock
        self._classes: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._problem = ""
        self._gallery_dragged = False
        self._pause, save, follow, explain, leave = self._actions()
        self.status_bar = StatusBar([self._pause, save, explain])
        self.banner = Banner()
        self.rate_tiles = RateTiles()
        self.rate_plot = RatePlot()
        self.version_table = VersionTable()
        self.gallery = Gallery()
        self.footer = Footer(f"{endpoint}  ·  {versions()}")
        self._lay_out()
        self.overlay = Overlay(self._middle, endpoint)
        self.help = HelpPanel(self, self.actions(), EXPLANATION)
        self._pause.toggled.connect(self._set_paused)
        save.triggered.connect(self.save_screenshot)
        follow.triggered.connect(self.rate_plot.follow)
        explain.triggered.connect(self.help.toggle)
        leave.triggered.connect(self.close)
        self.rate_plot.chosen.connect(self.chosen.emit)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.ClickFocus)
        self.setFocus()

    @property
    def paused(self) -> bool:
        """Whether the picture stands still."""
        return bool(self._pause.isChecked())

    def choices(self) -> Choices:
        """Window and average that the person chose."""
        return self.rate_plot.choices()

    def set_view(self, view: View) -> None:
        """Draw everything."""
        self._set_classes(tuple(rate.name for rate in view.rates))
        self.status_bar.set_view(view)
        self.banner.set_sentences(view.failures)
        self.overlay.set_view(view, self._problem)
        self.footer.set_view(view)
        if view.header is None or view.series is None:
            return
        snapshot = view.header.snapshot
        self._names = (snapshot.experiment, snapshot.run)
        self.rate_tiles.set_rates(view.rates, _over(self.choices(), view.over_s))
        self.rate_plot.set_marks(view.marks)
        self.rate_plot.set_series(view.series)
        self.version_table.set_versions(view.versions)
        if self.gallery.set_examples(view.examples):
            self._share_width()

    def set_bad_messages(self, number: int, problem: str) -> None:
        """Say how many messages could not be read."""
        self._problem = problem
        self.status_bar.set_bad_messages(number, problem)

    def set_message(self, words: str) -> None:
        """Show what happened last, in the bottom line."""
        self.footer.set_message(words)

    def save_screenshot(self) -> None:
        """Save the picture for a logbook into the current folder."""
        try:
            target = save_for_logbook(self, self._names, self._clock())
        except OSError as error:
            self.set_message(f"picture not saved: {error}")
        else:
            self.set_message(f"saved {target}")

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Share the new width between plot and gallery."""
        super().resizeEvent(event)
        self._share_width()

    def _actions(self) -> tuple[QtGui.QAction, ...]:
        """Return what keys do: pause, save, follow, explain, leave."""
        pause = self._action("Pause", "Space", "hold the picture, or go on")
        pause.setCheckable(True)
        return (
            pause,
            self._action("PNG", "Ctrl+S", "save the picture with time and versions"),
            self._action("Home", "Home", "let the plot follow the data again"),
            self._action("Help", "F1", "show or hide this list"),
            self._action("Quit", "Ctrl+Q", "close the window"),
        )

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
        column.addWidget(self.rate_tiles)
        column.addWidget(self.rate_plot, 1)
        column.addWidget(self.version_table)
        self._split = QtWidgets.QSplitter(QtCore.Qt.Orientation.Horizontal)
        self._split.addWidget(left)
        self._split.addWidget(self.gallery)
        self._split.setChildrenCollapsible(False)
        self._split.splitterMoved.connect(self._keep_dragged)
        self._middle = QtWidgets.QWidget()
        around = QtWidgets.QVBoxLayout(self._middle)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._split)
        whole = QtWidgets.QVBoxLayout(self)
        whole.setSizeConstraint(QtWidgets.QLayout.SizeConstraint.SetNoConstraint)
        whole.setContentsMargins(6, 6, 6, 3)
        whole.setSpacing(5)
        whole.addWidget(self.status_bar)
        whole.addWidget(self.banner)
        whole.addWidget(self._middle, 1)
        whole.addWidget(self.footer)

    def _keep_dragged(self) -> None:
        self._gallery_dragged = True

    def _share_width(self) -> None:
        """Give the gallery what it can fill, the plot the rest."""
        if self._gallery_dragged:
            return
        width = self._split.width()
        beside_tiles = width - self.rate_tiles.fitting_width() - GAP
        most = min(LARGEST_GALLERY * width, beside_tiles)
        wanted = self.gallery.fitting_width(int(most), self._split.height())
        gallery = max(width // 3, wanted)
        self._split.setSizes([width - gallery, gallery])

    def _set_classes(self, classes: tuple[str, ...]) -> None:
        if classes == self._classes:
            return
        self._classes = classes
        styles = class_styles(classes)
        self.rate_tiles.set_classes(styles)
        self.rate_plot.set_classes(styles)
        self.gallery.set_classes(styles)

    def _set_paused(self, paused: bool) -> None:
        if paused:
            self.status_bar.set_paused(formats.clock_time(self._clock()))
        else:
            self.resumed.emit()


def _over(choices: Choices, over_s: float) -> str:
    if choices.window_s is None:
        return "whole run"
    return f"last {formats.duration(over_s)}"
