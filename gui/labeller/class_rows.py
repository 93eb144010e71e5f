"""One row for each label: its key, its name, how many there are, the latest ones."""

from __future__ import annotations

from collections.abc import Callable

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import Chip, ElidedLabel
from specklenn.gui.common.theme import LINE, ClassStyle

EXAMPLES = 4
SIDE = 68
BORDER = 2

Draw = Callable[[int], QtGui.QImage]


class LabelRow(QtWidgets.QFrame):
    """A label and the shots that got it last, to compare with.

    Parameters
    ----------
    style : ClassStyle
        Style of the borders.
    """

    def __init__(self, key: str, name: str, style: ClassStyle) -> None:
        super().__init__()
        self.name = name
        self.setProperty("panel", True)
        self.key = Chip(bold=True)
        self.key.set_text(key)
        self.title = ElidedLabel(name, bold=True)
        self.count = ElidedLabel("0", larger=1.2)
        words = QtWidgets.QHBoxLayout()
        words.addWidget(self.key)
        words.addWidget(self.title, 1)
        words.addWidget(self.count)
        self.thumbnail_row = QtWidgets.QWidget()
        self.thumbnail_row.hide()
        beside = QtWidgets.QHBoxLayout(self.thumbnail_row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(4)
        self.thumbnails = [_empty_thumbnail(style) for _ in range(EXAMPLES)]
        for thumbnail in self.thumbnails:
            beside.addWidget(thumbnail)
        beside.addStretch(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(8, 5, 8, 5)
        column.setSpacing(4)
        column.addLayout(words)
        column.addWidget(self.thumbnail_row)

    def set_count(self, number: int) -> None:
        """Show how many shots have the label."""
        self.count.set_text(formats.short_count(number))

    def set_current(self, current: bool) -> None:
        """Mark the label of the shot that is shown."""
        self.key.set_mark("fill", "blue" if current else "grey")

    def set_examples(self, shots: list[int], draw: Draw) -> None:
        """Show these shots, the latest first; without any, the row is low."""
        self.thumbnail_row.setVisible(bool(shots))
        for number, thumbnail in enumerate(self.thumbnails):
            if number < len(shots):
                _fill(thumbnail, draw(shots[number]), shots[number])
            else:
                thumbnail.setPixmap(QtGui.QPixmap())
                thumbnail.setToolTip("")


def _empty_thumbnail(style: ClassStyle) -> QtWidgets.QLabel:
    thumbnail = QtWidgets.QLabel()
    thumbnail.setFixedSize(SIDE + 2 * BORDER, SIDE + 2 * BORDER)
    thumbnail.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
    thumbnail.setStyleSheet(f"border: {BORDER}px solid {style.colour or LINE};")
    return thumbnail


def _fill(thumbnail: QtWidgets.QLabel, image: QtGui.QImage, shot: int) -> None:
    ratio = thumbnail.devicePixelRatioF()
    scaled = image.scaled(
        round(SIDE * ratio),
        round(SIDE * ratio),
        QtCore.Qt.AspectRatioMode.KeepAspectRatio,
    )
    scaled.setDevicePixelRatio(ratio)
    thumbnail.setPixmap(QtGui.QPixmap.fromImage(scaled))
    thumbnail.setToolTip(f"shot {shot}")
