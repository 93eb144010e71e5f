import os
import signal

import pytest

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtCore

from specklenn.gui.common.interrupts import on_interrupt

pytestmark = pytest.mark.gui


@pytest.fixture
def loop(qapp):
    """An event loop without any timer: it would sleep for ever."""
    return QtCore.QEventLoop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_loop_begins_ends_it(loop, number):
    with on_interrupt(lambda: loop.exit(7)):
        os.kill(os.getpid(), number)

        assert loop.exec() == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_taken_by_the_loop_and_not_in_the_middle_of_a_slot(loop, number):
    told = []

    def slot():
        os.kill(os.getpid(), number)
        told.append("slot ends")

    def leave():
        told.append("left")
        loop.exit()

    with on_interrupt(leave):
        QtCore.QTimer.singleShot(0, slot)
        loop.exec()

    assert told == ["slot ends", "left"]


def test_handlers_are_those_of_before_afterwards(qapp):
    before = signal.getsignal(signal.SIGINT)

    with on_interrupt(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before

    assert signal.getsignal(signal.SIGINT) is before
