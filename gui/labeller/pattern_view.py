"""One pattern as large as there is room."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common.pattern_image import fitted


class PatternView(QtWidgets.QWidget):
    """A pattern as large as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.image = QtGui.QImage()
        self.setMinimumSize(200, 200)

    def set_image(self, image: QtGui.QImage) -> None:
        """Show another one."""
        self.image = image
        self.update()

    def image_rect(self) -> QtCore.QRect:
        """Where the pattern is drawn: centred, in its proportions."""
        return fitted(self.image.size(), self.rect())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the pattern with sharp pixels."""
        painter = QtGui.QPainter(self)
        painter.drawImage(self.image_rect(), self.image)
