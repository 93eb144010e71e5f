"""Sentences that a person must see, above everything else."""

from __future__ import annotations

from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common.elided_label import ElidedLabel, as_tip

MOST_LINES = 3


class Banner(QtWidgets.QFrame):
    """Up to three lines on a bright background; hidden while there is no failure."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("banner", True)
        self.lines = [ElidedLabel(bold=True) for _ in range(MOST_LINES)]
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(10, 4, 10, 4)
        column.setSpacing(1)
        for line in self.lines:
            column.addWidget(line)
        self.hide()

    def set_sentences(self, sentences: tuple[str, ...]) -> None:
        """Show the first sentences; all of them are in the tool tip."""
        shown = list(sentences[:MOST_LINES])
        if len(sentences) > MOST_LINES:
            left = len(sentences) - MOST_LINES + 1
            shown[-1] = f"and {left} more: see the tool tip"
        for place, line in enumerate(self.lines):
            line.setVisible(place < len(shown))
            line.set_text(f"▲ {shown[place]}" if place < len(shown) else "")
        self.setToolTip(as_tip("\n".join(sentences[:40])))
        self.setVisible(bool(shown))
