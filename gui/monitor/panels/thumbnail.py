"""One example as a small picture with a caption."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.core.messages import Example
from specklenn.gui.common import formats, theme
from specklenn.gui.common.elided_label import as_tip
from specklenn.gui.common.pattern_image import fitted
from specklenn.gui.monitor.view import SeenExample

LOW_SCORE = 0.7
"""Scores are probabilities: of the labels below it three in ten or more are wrong."""

BORDER = 2
CAPTION_LINES = 2


class Thumbnail(QtWidgets.QWidget):
    """Place for one example; empty until it gets one.

    Parameters
    ----------
    colour : str
        Colour of the border.
    """

    def __init__(self, parent: QtWidgets.QWidget, colour: str) -> None:
        super().__init__(parent)
        self._pen = QtGui.QPen(QtGui.QColor(colour), BORDER)
        self._pen.setJoinStyle(QtCore.Qt.PenJoinStyle.MiterJoin)
        self._dashed = QtGui.QPen(self._pen)
        self._dashed.setDashPattern([3.0, 2.0])
        self._empty = QtGui.QPen(QtGui.QColor(theme.LINE), 1)
        self._words = QtGui.QPen(QtGui.QColor(theme.TEXT))
        self._muted = QtGui.QPen(QtGui.QColor(theme.MUTED))
        self._image: QtGui.QImage | None = None
        self.example: SeenExample | None = None
        self.captions = ("", "")

    @staticmethod
    def caption_height(metrics: QtGui.QFontMetrics) -> int:
        """Pixels that the words below a picture need."""
        return int(CAPTION_LINES * metrics.height())

    @property
    def low_score(self) -> bool:
        """Whether the border is dashed."""
        return self.example is not None and not self.example.example.score >= LOW_SCORE

    def set_example(self, seen: SeenExample, image: QtGui.QImage) -> None:
        """Show an example, drawn as `image`."""
        captions = _captions(seen)
        same = self.example is not None and self.example.key == seen.key
        self.example = seen
        if same and captions == self.captions:
            return
        self._image, self.captions = image, captions
        if not same:
            self.setToolTip(as_tip(_tip(seen)))
        self.update()

    def clear(self) -> None:
        """Show an empty place."""
        if self.example is not None:
            self.example, self._image, self.captions = None, None, ("", "")
            self.setToolTip("")
            self.update()

    def image_rect(self) -> QtCore.QRect:
        """Area inside the border: the pattern, centred, in its proportions."""
        side = self.width() - 2 * BORDER
        frame = QtCore.QRect(BORDER, BORDER, side, side)
        return frame if self._image is None else fitted(self._image.size(), frame)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw image, border and caption."""
        painter = QtGui.QPainter(self)
        border = QtCore.QRect(1, 1, self.width() - BORDER, self.width() - BORDER)
        if self._image is None:
            painter.setPen(self._empty)
            painter.drawRect(border)
            return
        place = self.image_rect()
        shrinks = self._image.width() > place.width()
        hint = QtGui.QPainter.RenderHint.SmoothPixmapTransform
        painter.setRenderHint(hint, shrinks)
        painter.drawImage(place, self._image)
        painter.setPen(self._dashed if self.low_score else self._pen)
        painter.drawRect(border)
        self._draw_captions(painter)

    def _draw_captions(self, painter: QtGui.QPainter) -> None:
        metrics = self.fontMetrics()
        room = self.width()
        for line, (words, pen) in enumerate(
            zip(self.captions, (self._words, self._muted), strict=True)
        ):
            base = self.width() + line * metrics.height() + metrics.ascent()
            painter.setPen(pen)
            fitting = metrics.elidedText(words, QtCore.Qt.TextElideMode.ElideLeft, room)
            painter.drawText(1, base, fitting)


def _captions(seen: SeenExample) -> tuple[str, str]:
    example = seen.example
    return (
        f"{formats.score(example.score)}   {formats.age(seen.age_s)}",
        f"#{example.index}",
    )


def _tip(seen: SeenExample) -> str:
    example = seen.example
    return "\n".join(
        [
            f"{example.label}, score {formats.score(example.score)}"
            + (" (low: dashed border)" if not example.score >= LOW_SCORE else ""),
            f"event {example.index}, rank {example.rank}",
            _recorded(example),
            f"{example.photons:.0f} photons on {example.pattern.shape[0]} x "
            f"{example.pattern.shape[1]} pixels",
        ]
    )


def _recorded(example: Example) -> str:
    if example.timestamp_ns == 0:
        return "the data do not say when it was recorded"
    return f"recorded {formats.date_time(example.timestamp_ns / 1e9)}"
