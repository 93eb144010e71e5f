import sys

import pytest

pytest.importorskip("pyqtgraph")

from specklenn.gui.monitor.event_loop import reported_exceptions

pytestmark = pytest.mark.gui


def test_an_exception_in_a_slot_is_told_and_the_window_lives(
    watch, make_stream, make_snapshot, capsys
):
    monitor = watch(make_stream(make_snapshot()))
    with reported_exceptions(monitor.window):
        for _ in range(3):
            try:
                raise RuntimeError("slot broke")
            except RuntimeError:
                sys.excepthook(*sys.exc_info())
    monitor.refresh()

    assert (
        monitor.window.footer.message.full_text
        == "internal error: RuntimeError: slot broke"
    )
    assert capsys.readouterr().err.count("RuntimeError: slot broke") == 1
