import numpy as np
import pytest


@pytest.fixture
def watch(qtbot, clock):
    """Show a window of a given size on a stream, without a timer of its own."""
    from pyqtgraph.Qt import QtWidgets

    from specklenn.gui.monitor.controller import MonitorController
    from specklenn.gui.monitor.state import MonitorState
    from specklenn.gui.monitor.window import MonitorWindow

    opened = []

    def open_window(stream, size=(1366, 768)) -> MonitorController:
        window = MonitorWindow(stream.endpoint, clock)
        qtbot.addWidget(window)
        window.resize(*size)
        window.show()
        qtbot.waitExposed(window)
        monitor = MonitorController(stream, MonitorState(clock), window)
        opened.append(monitor)
        monitor.refresh()
        QtWidgets.QApplication.processEvents()
        return monitor

    yield open_window
    opened.clear()


@pytest.fixture
def simulated(clock):
    from specklenn.gui.monitor.simulated import SimulatedStream

    return SimulatedStream(clock=clock)


@pytest.fixture
def screenshot():
    """Return the pixels of a widget, (h, w, 3)."""
    from pyqtgraph.Qt import QtGui

    def pixels(widget) -> np.ndarray:
        as_bytes = QtGui.QImage.Format.Format_RGB888
        image = widget.grab().toImage().convertToFormat(as_bytes)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(
            image.height(), image.bytesPerLine()
        )
        return rows[:, : 3 * image.width()].reshape(image.height(), -1, 3).copy()

    return pixels
