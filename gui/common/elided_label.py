"""A label that shortens its text with an ellipsis instead of clipping it."""

from __future__ import annotations

import html

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets


class ElidedLabel(QtWidgets.QLabel):
    """One line of plain text; what does not fit is in the tool tip.

    Parameters
    ----------
    bold, muted : bool
        Weight and tone of the text.
    larger : float
        Factor on the size of the window's font.

    Attributes
    ----------
    full_text : str
        Text without ellipsis.
    """

    def __init__(
        self,
        text: str = "",
        *,
        bold: bool = False,
        muted: bool = False,
        larger: float = 1.0,
    ) -> None:
        super().__init__()
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        font = self.font()
        font.setBold(bold)
        font.setPointSizeF(font.pointSizeF() * larger)
        self.setFont(font)
        self.setProperty("muted", muted)
        self.full_text = ""
        self._tip = ""
        self.set_text(text)

    def set_text(self, text: str, tip: str = "") -> None:
        """Show `text`; `tip` explains it under the mouse."""
        text = text.replace("\n", " ")
        if (text, tip) != (self.full_text, self._tip):
            self.full_text, self._tip = text, tip
            self.updateGeometry()
            self._fit()

    def set_mark(self, name: str, value: str) -> None:
        """Set a property that the style sheet knows."""
        if self.property(name) != value:
            self.setProperty(name, value)
            self.style().unpolish(self)
            self.style().polish(self)

    def sizeHint(self) -> QtCore.QSize:
        """Size of the whole text."""
        return self._size_of(self.full_text)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Room for a few letters."""
        return self._size_of("mmm…" if len(self.full_text) > 4 else self.full_text)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Shorten to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _size_of(self, text: str) -> QtCore.QSize:
        metrics, edges = self.fontMetrics(), self.contentsMargins()
        return QtCore.QSize(
            metrics.horizontalAdvance(text) + 2 + edges.left() + edges.right(),
            metrics.height() + edges.top() + edges.bottom(),
        )

    def _fit(self) -> None:
        shown = self.fontMetrics().elidedText(
            self.full_text,
            QtCore.Qt.TextElideMode.ElideRight,
            max(self.contentsRect().width(), 0),
        )
        if shown != self.text():
            self.setText(shown)
        parts = [self.full_text] if shown != self.full_text else []
        self.setToolTip(as_tip("\n".join([*parts, *filter(None, [self._tip])])))


class Chip(ElidedLabel):
    """A label with a background of its own."""

    def __init__(self, *, bold: bool = False) -> None:
        super().__init__(bold=bold)
        self.setContentsMargins(8, 3, 8, 3)
        self.set_mark("chip", "true")


def as_tip(text: str) -> str:
    """Text for a tool tip that cannot be taken for markup."""
    return f"<p style='white-space:pre'>{html.escape(text)}</p>" if text else ""
