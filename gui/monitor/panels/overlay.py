"""What lies over the window when its content is not the present."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats, theme
from specklenn.gui.monitor.view import View

DIMMED = 150
"""Opacity over old data, of 255."""

WAITING_WORDS = (
    "Nothing has come for {age}. Start the analysis with “specklenn run”, and check "
    "that its publish.endpoint is this address. This window goes on trying by itself."
)


class Overlay(QtWidgets.QWidget):
    """Covers another widget: darkens it, or hides it behind a sentence.

    Parameters
    ----------
    covered : QWidget
        Parent; the overlay follows its size and lets the mouse through.
    endpoint : str
        Where the data should come from.
    """

    def __init__(self, covered: QtWidgets.QWidget, endpoint: str) -> None:
        super().__init__(covered)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_NoSystemBackground)
        self._endpoint = endpoint
        self._fill = QtGui.QColor(theme.BACKGROUND)
        self.title = ""
        self.words = ""
        covered.installEventFilter(self)
        self.hide()

    def set_view(self, view: View, problem: str) -> None:
        """Hide the panels until data come, and darken them while data are old.

        Parameters
        ----------
        problem : str
            What was wrong with the last message, empty while none was.
        """
        if view.header is not None:
            self._cover("", "", DIMMED if view.outdated else 0)
            return
        words = (
            f"Messages come, but this window cannot read them: {problem}"
            if problem
            else WAITING_WORDS.format(age=formats.age(view.age_s))
        )
        self._cover(f"Waiting for data on {self._endpoint}", words, 255)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Follow the size of the parent."""
        if event.type() == QtCore.QEvent.Type.Resize:
            self.setGeometry(self.parentWidget().rect())
        return False

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the overlay and its words."""
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), self._fill)
        if self.title:
            self._write(painter)

    def _cover(self, title: str, words: str, opacity: int) -> None:
        if (title, words, opacity) != (self.title, self.words, self._fill.alpha()):
            self.title, self.words = title, words
            self._fill.setAlpha(opacity)
            self.update()
        self.setVisible(opacity > 0)
        self.raise_()

    def _write(self, painter: QtGui.QPainter) -> None:
        middle = QtCore.Qt.AlignmentFlag.AlignHCenter
        wrap = QtCore.Qt.TextFlag.TextWordWrap
        room = self.rect().adjusted(40, self.height() // 3, -40, -20)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.8)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QtGui.QColor(theme.TEXT))
        used = painter.drawText(room, middle | wrap, self.title)
        painter.setFont(self.font())
        painter.setPen(QtGui.QColor(theme.MUTED))
        room.setTop(used.bottom() + 16)
        painter.drawText(room, middle | wrap, self.words)
