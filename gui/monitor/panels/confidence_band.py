"""The filled band of an interval over time."""

from __future__ import annotations

import numpy as np
import pyqtgraph
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.monitor.intervals import Floats

OPACITY = 55


class ConfidenceBand(pyqtgraph.GraphicsObject):
    """Area between two curves, interrupted where they are not finite.

    Parameters
    ----------
    colour : str
        Colour of the filling, which is translucent.
    """

    def __init__(self, colour: str) -> None:
        super().__init__()
        fill = QtGui.QColor(colour)
        fill.setAlpha(OPACITY)
        self._brush = QtGui.QBrush(fill)
        self._path = QtGui.QPainterPath()

    def set_data(self, x: Floats, low: Floats, high: Floats) -> None:
        """Take new curves of equal length."""
        self.prepareGeometryChange()
        self._path = QtGui.QPainterPath()
        for run in finite_runs(low + high):
            outline_x = np.concatenate([x[run], x[run][::-1]])
            outline_y = np.concatenate([low[run], high[run][::-1]])
            self._path.addPath(pyqtgraph.arrayToQPath(outline_x, outline_y))
        self.update()

    def boundingRect(self) -> QtCore.QRectF:
        """Extent in the coordinates of the plot."""
        return self._path.boundingRect()

    def paint(
        self,
        painter: QtGui.QPainter,
        option: QtWidgets.QStyleOptionGraphicsItem,
        widget: QtWidgets.QWidget | None = None,
    ) -> None:
        """Fill the area."""
        painter.fillPath(self._path, self._brush)


def finite_runs(values: Floats) -> list[slice]:
    """Stretches of at least two finite values in a row."""
    good = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(good[1:] != good[:-1])
    return [
        slice(int(start), int(stop))
        for start, stop in edges.reshape(-1, 2)
        if stop - start > 1
    ]
