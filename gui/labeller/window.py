"""The window for labelling: one large pattern, and a key for every label."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.core.labelling.session_view import SessionView
from specklenn.gui.common.elided_label import Chip, ElidedLabel
from specklenn.gui.common.help_panel import HelpPanel
from specklenn.gui.common.image import LARGEST_SIDE, Values
from specklenn.gui.common.pattern_image import colour_table, pattern_image
from specklenn.gui.common.theme import STYLE_SHEET, class_styles
from specklenn.gui.labeller.class_rows import SIDE, LabelRow
from specklenn.gui.labeller.pattern_view import PatternView
from specklenn.gui.labeller.session_protocol import LabelSessionProtocol

SCALES: dict[str, Callable[[Values], Values]] = {
    "log": np.log1p,
    "sqrt": np.sqrt,
    "linear": lambda values: values,
}
PANEL_WIDTH = 340
HINT = "Space next · ← back · S suggest · U undo · F filter · F1 all keys"
EXPLANATION = (
    "The key beside a name labels the pattern and shows the next one; digits of the "
    "number pad do too.\nEvery label is saved at once. Grey pixels are masked. "
    "Suggested patterns stand for many others,\nor the labels so far leave them "
    "uncertain. The small pictures are the latest of each label."
)


class LabelWindow(QtWidgets.QWidget):
    """Pattern on the left, labels and what to know on the right.

    Parameters
    ----------
    session : LabelSessionProtocol
        Keeps the labels; the window only calls it and draws what it says.
    title : str
        Name of the run.
    """

    def __init__(self, session: LabelSessionProtocol, title: str) -> None:
        super().__init__()
        self.setWindowTitle(f"specklenn label: {title}")
        self.setStyleSheet(STYLE_SHEET)
        self._session = session
        self._title = title
        self._colours = colour_table()
        self._scale = next(iter(SCALES))
        self._small: dict[int, QtGui.QImage] = {}
        self.pattern = PatternView()
        styles = class_styles(tuple(session.keys.values()))
        self.rows = [
            LabelRow(key, name, styles[name]) for key, name in session.keys.items()
        ]
        self.shot = ElidedLabel(bold=True, larger=1.3)
        self.label = Chip(bold=True)
        self.reason = QtWidgets.QLabel()
        self.reason.setWordWrap(True)
        self.place = ElidedLabel(muted=True)
        self.frame = ElidedLabel(muted=True)
        self.progress = QtWidgets.QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress_words = ElidedLabel()
        self.guesses = ElidedLabel(muted=True)
        self.message = ElidedLabel()
        self._add_actions()
        self._lay_out()
        self.help = HelpPanel(self, self.actions(), EXPLANATION)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setFocus()
        self.refresh()

    def refresh(self) -> None:
        """Draw what the session shows."""
        view = self._session.view()
        pattern = self._session.picture(LARGEST_SIDE)
        self.pattern.set_image(
            pattern_image(pattern, self._colours, SCALES[self._scale])
        )
        self.shot.set_text(f"{self._title}   shot {view.shot}")
        self.label.set_text(view.label or "no label")
        self.label.set_mark("fill", "blue" if view.label else "grey")
        self.reason.setText(view.reason)
        self.place.set_text(view.where)
        self.frame.set_text(f"{view.frame}, {self._scale}")
        self._show_progress(view)
        self.message.set_text(view.message)
        self.message.set_mark("fill", "red" if view.failed else "")
        for row in self.rows:
            row.set_count(view.counts.get(row.name, 0))
            row.set_current(row.name == view.label)
            row.set_examples(
                self._session.examples(row.name, len(row.thumbnails)), self._example
            )

    def _show_progress(self, view: SessionView) -> None:
        self.progress.setMaximum(view.offered)
        self.progress.setValue(view.labelled)
        self.progress_words.set_text(f"{view.labelled} of {view.offered} labelled")
        self.guesses.set_text(
            f"nearest class was right: {view.guessed} of the last {view.guesses}"
            if view.guesses
            else ""
        )

    def _example(self, shot: int) -> QtGui.QImage:
        """Return the small picture of a shot; drawn once."""
        if shot not in self._small:
            pattern = self._session.example_picture(shot, SIDE)
            self._small[shot] = pattern_image(pattern, self._colours)
        return self._small[shot]

    def _add_actions(self) -> None:
        session = self._session
        for key, name in session.keys.items():
            pad = [f"Num+{key}"] if key.isdecimal() else []
            self._action(name, partial(session.label, name), key.upper(), *pad)
        self._action("next, without a label", session.forward, "Space", "Right")
        self._action("the one before", session.back, "Left")
        self._action("the most informative pattern", session.suggest, "S")
        self._action("take the last label back", session.undo, "U", "Ctrl+Z")
        self._action("take this label away", session.clear, "X", "Del", "Backspace")
        self._action("unlabelled, all, or one class", session.next_filter, "F")
        self._action("whole frame, or what the network sees", session.toggle_frame, "C")
        self._action("add pixels up", session.toggle_coarse, "B")
        self._action("log, sqrt, linear", self._next_scale, "L")
        self._action("write supports and training data", session.export, "W", "Ctrl+S")
        self._action("show or hide this list", self._toggle_help, "F1", "H", "?")
        self._action("leave; all labels are saved", self.close, "Q", "Ctrl+Q")

    def _action(self, tip: str, do: Callable[[], object], *keys: str) -> None:
        action = QtGui.QAction(self)
        action.setShortcuts([QtGui.QKeySequence(key) for key in keys])
        action.setToolTip(tip)
        action.triggered.connect(lambda: self._do(do))
        self.addAction(action)

    def _do(self, what: Callable[[], object]) -> None:
        what()
        self.refresh()

    def _toggle_help(self) -> None:
        self.help.toggle()

    def _next_scale(self) -> None:
        names = list(SCALES)
        self._scale = names[(names.index(self._scale) + 1) % len(names)]

    def _scrolled_rows(self) -> QtWidgets.QScrollArea:
        """Return the rows where they fit or not."""
        rows = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(rows)
        column.setContentsMargins(0, 0, 0, 0)
        for row in self.rows:
            column.addWidget(row)
        column.addStretch(1)
        area = QtWidgets.QScrollArea()
        area.setWidget(rows)
        area.setWidgetResizable(True)
        area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        area.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        return area

    def _lay_out(self) -> None:
        head = QtWidgets.QHBoxLayout()
        head.addWidget(self.shot, 1)
        head.addWidget(self.label)
        side = QtWidgets.QVBoxLayout()
        side.setSpacing(6)
        side.addLayout(head)
        for widget in (self.reason, self.place, self.frame):
            side.addWidget(widget)
        side.addWidget(self._scrolled_rows(), 1)
        for widget in (self.progress_words, self.progress, self.guesses, self.message):
            side.addWidget(widget)
        panel = QtWidgets.QWidget()
        panel.setLayout(side)
        panel.setFixedWidth(PANEL_WIDTH)
        side.setContentsMargins(0, 0, 0, 0)
        both = QtWidgets.QHBoxLayout()
        both.addWidget(self.pattern, 1)
        both.addWidget(panel)
        whole = QtWidgets.QVBoxLayout(self)
        whole.setSizeConstraint(QtWidgets.QLayout.SizeConstraint.SetNoConstraint)
        whole.addLayout(both, 1)
        whole.addWidget(ElidedLabel(HINT, muted=True))
