from specklenn.gui.common import qt_check


def test_pyside_that_aborts_on_this_python_is_refused():
    assert "Python 3.12" in qt_check.version_refusal("6.12.0", (3, 11))
    assert qt_check.version_refusal("6.12.0", (3, 12)) == ""
    assert qt_check.version_refusal("6.11.3", (3, 10)) == ""


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setenv("PYQTGRAPH_QT_LIB", "PyQt9")

    assert qt_check.refusal() == f"the window needs PyQt9: {qt_check.INSTALL}"
