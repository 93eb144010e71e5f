"""Opens the window for labelling and runs it to its end."""

from __future__ import annotations

import sys

from specklenn.gui.common import qt_check
from specklenn.gui.labeller.session_protocol import LabelSessionProtocol

USUAL_SIZE = (1280, 860)
WRONG_USAGE, INTERRUPTED = 2, 130


def refuse() -> int:
    """Say why no window can open here, if so; returns 2, or 0 if one can."""
    refusal = qt_check.refusal()
    if not refusal:
        qt_check.prefer_pyside()
        refusal = qt_check.display_refusal()
    return _refuse(refusal) if refusal else 0


def run(session: LabelSessionProtocol, title: str) -> int:
    """Open the window; returns the exit code when it is closed.

    0: closed; 2: Qt does not start; 130: interrupted. See `refuse` first.

    Parameters
    ----------
    session : LabelSessionProtocol
        Keeps the labels.
    title : str
        Name of the run.
    """
    try:
        return _open(session, title)
    except ImportError as error:
        return _refuse(f"Qt does not start here ({error}): {qt_check.INSTALL}")


def _open(session: LabelSessionProtocol, title: str) -> int:
    from pyqtgraph.Qt import QtWidgets

    from specklenn.gui.common.interrupts import on_interrupt
    from specklenn.gui.labeller.window import LabelWindow

    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["specklenn"])
    window = LabelWindow(session, title)
    room = app.primaryScreen().availableGeometry()
    window.resize(min(USUAL_SIZE[0], room.width()), min(USUAL_SIZE[1], room.height()))
    with on_interrupt(lambda: app.exit(INTERRUPTED)):
        window.show()
        code = int(app.exec())
    window.close()
    return code


def _refuse(sentence: str) -> int:
    print(f"specklenn label: {sentence}, or use --terminal", file=sys.stderr)
    return WRONG_USAGE
