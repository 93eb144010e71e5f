"""Rates of every model with its supports, where a run has had several."""

from __future__ import annotations

from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.monitor.view import VersionRates

MOST_ROWS = 4
"""Versions that are shown, those used last; the title says of how many."""


class VersionTable(QtWidgets.QFrame):
    """One row per version, one column per class; hidden while there is one version."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.title = ElidedLabel(bold=True)
        self.cells: list[list[ElidedLabel]] = []
        self._grid = QtWidgets.QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(0, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(8, 5, 8, 5)
        column.setSpacing(3)
        column.addWidget(self.title)
        column.addLayout(self._grid)
        self.hide()

    def set_versions(self, versions: tuple[VersionRates, ...]) -> None:
        """Show the rates of each version over the whole run."""
        self.setVisible(len(versions) > 1)
        if len(versions) < 2:
            return
        shown = versions[-MOST_ROWS:]
        more = f", the last {len(shown)} of {len(versions)}" * (versions != shown)
        self.title.set_text(f"Rates by model and supports, whole run{more}")
        names = [rate.name for rate in shown[0].rates]
        self._make_cells(1 + len(shown), 2 + len(names))
        for cell, text in zip(self.cells[0], ("", "shots", *names), strict=True):
            cell.set_text(text)
        for cells, version in zip(self.cells[1:], shown, strict=True):
            _fill(cells, version)

    def _make_cells(self, rows: int, columns: int) -> None:
        """Make a label for every cell, if there are not as many already."""
        if (len(self.cells), len(self.cells[0]) if self.cells else 0) == (
            rows,
            columns,
        ):
            return
        for cell in (cell for row in self.cells for cell in row):
            self._grid.removeWidget(cell)
            cell.deleteLater()
        self.cells = [
            [ElidedLabel(muted=row == 0) for _ in range(columns)] for row in range(rows)
        ]
        for row, cells in enumerate(self.cells):
            for column, cell in enumerate(cells):
                self._grid.addWidget(cell, row, column)


def _fill(cells: list[ElidedLabel], version: VersionRates) -> None:
    cells[0].set_text(version.words, version.more)
    cells[1].set_text(
        formats.short_count(version.shots),
        f"{formats.long_count(version.shots)} shots, "
        f"{formats.long_count(version.skips)} of them skipped",
    )
    for cell, rate in zip(cells[2:], version.rates, strict=True):
        cell.set_text(
            formats.percent(rate.rate),
            f"{formats.long_count(rate.hits)} of {formats.long_count(rate.shots)} "
            f"classified shots; 95 %: {formats.interval(rate.low, rate.high)}",
        )
