"""One tile per class: its rate, how well that is known, and its shots."""

from __future__ import annotations

from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.common.theme import ClassStyle
from specklenn.gui.monitor.view import ClassRate

SPACING = 5


class RateTile(QtWidgets.QFrame):
    """Rate of one class in the chosen window.

    Parameters
    ----------
    name : str
        Class.
    style : ClassStyle
        Its colour, drawn as a bar at the left.
    """

    def __init__(self, name: str, style: ClassStyle) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.name = name
        bar = QtWidgets.QFrame()
        bar.setFixedWidth(5)
        bar.setStyleSheet(f"background: {style.colour}; border-radius: 2px;")
        self.title = ElidedLabel(name, bold=True)
        self.rate = ElidedLabel(formats.NOTHING, bold=True, larger=2.0)
        self.interval = ElidedLabel(muted=True)
        self.counts = ElidedLabel(muted=True)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 3, 0)
        row.setSpacing(6)
        row.addWidget(bar)
        words = QtWidgets.QVBoxLayout()
        words.setContentsMargins(0, 5, 0, 6)
        words.setSpacing(1)
        for label in (self.title, self.rate, self.interval, self.counts):
            words.addWidget(label)
        row.addLayout(words, 1)

    def set_rate(self, rate: ClassRate, over: str) -> None:
        """Show numbers; `over` names the window that they belong to."""
        hits, shots = formats.short_count(rate.hits), formats.short_count(rate.shots)
        self.rate.set_text(
            formats.percent(rate.rate),
            f"{formats.long_count(rate.hits)} of {formats.long_count(rate.shots)} "
            f"classified shots, {over}",
        )
        self.interval.set_text(
            formats.interval(rate.low, rate.high),
            "95 % interval (Wilson) of the rate",
        )
        self.counts.set_text(
            f"{hits} / {shots}",
            f"{formats.long_count(rate.hits)} of {formats.long_count(rate.shots)} "
            f"classified shots, {over};\n"
            f"{formats.long_count(rate.total)} since the run began",
        )


class RateTiles(QtWidgets.QWidget):
    """Tiles of all classes side by side, built once per set of classes."""

    def __init__(self) -> None:
        super().__init__()
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(SPACING)
        self.tiles: list[RateTile] = []

    def set_classes(self, styles: dict[str, ClassStyle]) -> None:
        """Build one tile per class."""
        for tile in self.tiles:
            self._row.removeWidget(tile)
            tile.deleteLater()
        self.tiles = [RateTile(name, style) for name, style in styles.items()]
        for tile in self.tiles:
            self._row.addWidget(tile, 1)

    def fitting_width(self) -> int:
        """Width at which the widest tile shows everything."""
        widest = max((tile.sizeHint().width() for tile in self.tiles), default=0)
        return len(self.tiles) * (widest + SPACING)

    def set_rates(self, rates: tuple[ClassRate, ...], over: str) -> None:
        """Show the rates, in the order of the classes."""
        for tile, rate in zip(self.tiles, rates, strict=True):
            tile.set_rate(rate, over)
