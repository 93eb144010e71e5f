"""The bottom line: what happened last, and where the data come from."""

from __future__ import annotations

from pyqtgraph.Qt import QtWidgets

from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.monitor.view import View


class Footer(QtWidgets.QWidget):
    """Two texts: what happened last at the left, the origin of the data at the right.

    Parameters
    ----------
    origin : str
        Address of the data and versions of the packages.
    """

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin
        self.message = ElidedLabel(muted=True)
        self.source = ElidedLabel(origin, muted=True)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.message, 1)
        row.addWidget(self.source)

    def set_message(self, words: str) -> None:
        """Show what happened last."""
        self.message.set_text(words)

    def set_view(self, view: View) -> None:
        """Show the origin of the data, or of when they are if they are old."""
        self.source.set_mark("warn", "true" if view.outdated else "false")
        self.source.set_text(
            f"no data for {formats.age(view.age_s)}: what you see is the state of "
            f"{formats.clock_time(view.updated_s)}"
            if view.outdated
            else self._origin
        )
