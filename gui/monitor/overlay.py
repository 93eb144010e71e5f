"""What lies over the window when its content is not the present."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import theme

DIMMED = 150
"""Opacity of the veil over old data, of 255."""


class Overlay(QtWidgets.QWidget):
    """Covers another widget: darkens it, or hides it behind a sentence.

    Parameters
    ----------
    covered : QWidget
        Parent; the veil follows its size and lets the mouse through.
    """

    def __init__(self, covered: QtWidgets.QWidget) -> None:
        super().__init__(covered)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_NoSystemBackground)
        self._fill = QtGui.QColor(theme.BACKGROUND)
        self.title = ""
        self.words = ""
        covered.installEventFilter(self)
        self.hide()

    def set_dimmed(self, dimmed: bool) -> None:
        """Darken what lies below, or leave it alone."""
        self._cover("", "", DIMMED if dimmed else 0)

    def set_words(self, title: str, words: str) -> None:
        """Hide what lies below behind a title and an explanation."""
        self._cover(title, words, 255)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Follow the size of the parent."""
        if event.type() == QtCore.QEvent.Type.Resize:
            self.setGeometry(self.parentWidget().rect())
        return False

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the veil and its words."""
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
