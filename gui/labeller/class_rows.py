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
    key, name : str
    style : ClassStyle
        Of the borders.
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
        self.strip = QtWidgets.QWidget()
        self.strip.hide()
        pictures = QtWidgets.QHBoxLayout(self.strip)
        pictures.setContentsMargins(0, 0, 0, 0)
        pictures.setSpacing(4)
        self.pictures = [_place(style) for _ in range(EXAMPLES)]
        for picture in self.pictures:
            pictures.addWidget(picture)
        pictures.addStretch(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(8, 5, 8, 5)
        column.setSpacing(4)
        column.addLayout(words)
        column.addWidget(self.strip)

    def set_count(self, number: int) -> None:
        """Show how many shots have the label."""
        self.count.set_text(formats.short_count(number))

    def set_current(self, current: bool) -> None:
        """Mark the label of the shot that is shown."""
        self.key.set_mark("fill", "blue" if current else "grey")

    def set_examples(self, shots: list[int], draw: Draw) -> None:
        """Show these shots, the latest first; without any, the row is low."""
        self.strip.setVisible(bool(shots))
        for number, picture in enumerate(self.pictures):
            if number < len(shots):
                _fill(picture, draw(shots[number]), shots[number])
            else:
                picture.setPixmap(QtGui.QPixmap())
                picture.setToolTip("")


def _place(style: ClassStyle) -> QtWidgets.QLabel:
    place = QtWidgets.QLabel()
    place.setFixedSize(SIDE + 2 * BORDER, SIDE + 2 * BORDER)
    place.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
    place.setStyleSheet(f"border: {BORDER}px solid {style.colour or LINE};")
    return place


def _fill(place: QtWidgets.QLabel, picture: QtGui.QImage, shot: int) -> None:
    ratio = place.devicePixelRatioF()
    scaled = picture.scaled(
        round(SIDE * ratio),
        round(SIDE * ratio),
        QtCore.Qt.AspectRatioMode.KeepAspectRatio,
    )
    scaled.setDevicePixelRatio(ratio)
    place.setPixmap(QtGui.QPixmap.fromImage(scaled))
    place.setToolTip(f"shot {shot}")
