"""Screenshots of the window as PNG files."""

from __future__ import annotations

import importlib.metadata
import os
import time
from pathlib import Path

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.gui.common import formats, theme

PACKAGES = ("specklenn", "PySide6-Essentials", "pyqtgraph")


def write_screenshot(picture: QtGui.QPixmap | QtGui.QImage, target: Path) -> None:
    """Write a PNG file; whoever reads `target` sees the old or the new one whole.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    data = QtCore.QByteArray()
    buffer = QtCore.QBuffer(data)
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(bytes(data))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def save_for_logbook(
    window: QtWidgets.QWidget, words: tuple[str, ...], now: float
) -> Path:
    """Save the window with a footer into the current folder.

    Parameters
    ----------
    window : QWidget
        What to draw.
    words : tuple of str
        Experiment and run, for the footer and the file name.
    now : float
        Unix epoch seconds.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    target = Path(f"{formats.file_stem(*words, stamp, 'window')}.png")
    title = " run ".join(filter(None, words))
    footer = " · ".join(filter(None, (title, formats.date_time(now), versions())))
    write_screenshot(_with_footer(window.grab(), footer, window.font()), target)
    return target.resolve()


def versions() -> str:
    """Names and versions of what drew the picture."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _with_footer(picture: QtGui.QPixmap, words: str, font: QtGui.QFont) -> QtGui.QImage:
    """Picture with a line of text below it."""
    scale = picture.devicePixelRatio()
    line = int(QtGui.QFontMetrics(font).height()) + 8
    height = picture.height() + round(line * scale)
    whole = QtGui.QImage(picture.width(), height, QtGui.QImage.Format.Format_RGB32)
    whole.setDevicePixelRatio(scale)
    whole.fill(QtGui.QColor(theme.BACKGROUND))
    painter = QtGui.QPainter(whole)
    painter.drawPixmap(0, 0, picture)
    painter.setFont(font)
    painter.setPen(QtGui.QColor(theme.TEXT))
    below = QtCore.QRectF(
        8, picture.height() / scale, picture.width() / scale - 16, line
    )
    painter.drawText(below, QtCore.Qt.AlignmentFlag.AlignVCenter, words)
    painter.end()
    return whole
