"""The list of shortcuts, over the window until it is closed again."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets


class HelpPanel(QtWidgets.QFrame):
    """Shortcuts and what they do.

    Parameters
    ----------
    parent : QWidget
        Window that it lies on.
    actions : list of QAction
        With text and shortcut.
    explanation : str
        Below the list.
    """

    def __init__(
        self,
        parent: QtWidgets.QWidget,
        actions: list[QtGui.QAction],
        explanation: str,
    ) -> None:
        super().__init__(parent)
        self.setProperty("help", True)
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(24, 18, 24, 18)
        grid.setHorizontalSpacing(24)
        grid.setColumnStretch(1, 1)
        for line, action in enumerate(actions):
            keys = QtWidgets.QLabel(
                ", ".join(each.toString() for each in action.shortcuts())
            )
            font = keys.font()
            font.setBold(True)
            keys.setFont(font)
            grid.addWidget(keys, line, 0)
            grid.addWidget(QtWidgets.QLabel(action.toolTip()), line, 1)
        words = QtWidgets.QLabel(f"\n{explanation}")
        words.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        grid.addWidget(words, len(actions), 0, 1, 2)
        self.hide()

    def toggle(self) -> None:
        """Show in the middle of the window, or hide."""
        self.adjustSize()
        place = self.rect()
        place.moveCenter(self.parentWidget().rect().center())
        self.move(place.topLeft())
        self.setVisible(not self.isVisible())
        self.raise_()
