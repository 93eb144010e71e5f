"""A pattern of photons as an image in the colours of the windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyqtgraph
from pyqtgraph.Qt import QtCore, QtGui

from specklenn.gui.common import theme
from specklenn.gui.common.image import MASKED, Values, palette_indices

COLOUR_MAP = "inferno"


def colour_table() -> list[int]:
    """256 colours: photons from dark to bright, the last one for the mask."""
    table = pyqtgraph.colormap.get(COLOUR_MAP).getLookupTable(nPts=MASKED)
    colours = [QtGui.qRgb(*(int(part) for part in row[:3])) for row in table]
    return [*colours, QtGui.QColor(theme.MASK).rgb()]


def fitted(size: QtCore.QSize, room: QtCore.QRect) -> QtCore.QRect:
    """As large as there is room, centred, in its proportions."""
    keep = QtCore.Qt.AspectRatioMode.KeepAspectRatio
    place = QtCore.QRect(QtCore.QPoint(0, 0), size.scaled(room.size(), keep))
    place.moveCenter(room.center())
    return place


def pattern_image(
    pattern: npt.NDArray[np.float32],
    colours: list[int],
    scale: Callable[[Values], Values] = np.log1p,
) -> QtGui.QImage:
    """Image of a pattern, row 0 at the top, one pixel per pixel.

    Parameters
    ----------
    pattern : (h, w) float32, photons per pixel
        NaN where masked.
    colours : list of int
        See `colour_table`.
    scale : function
        Of photons, in place of log(1 + photons).
    """
    indices = np.ascontiguousarray(palette_indices(pattern, scale))
    height, width = indices.shape
    image = QtGui.QImage(
        indices.data, width, height, width, QtGui.QImage.Format.Format_Indexed8
    ).copy()
    image.setColorTable(colours)
    return image
