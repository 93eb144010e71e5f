"""Whether the window can open, asked without bringing this process down."""

import pytest

from specklenn.gui.common import qt_check


def test_pyside_that_aborts_on_this_python_is_refused():
    assert "Python 3.12" in qt_check.version_refusal("6.12.0", (3, 11))
    assert qt_check.version_refusal("6.12.0", (3, 12)) == ""
    assert qt_check.version_refusal("6.11.3", (3, 10)) == ""


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setenv("PYQTGRAPH_QT_LIB", "PyQt9")

    assert qt_check.refusal() == f"the window needs PyQt9: {qt_check.INSTALL}"


DEAD = {"DISPLAY": "localhost:10.0", "QT_QPA_PLATFORM": "xcb"}


@pytest.fixture
def on_display(monkeypatch):
    """Set what says where windows are shown."""

    def set_to(**variables):
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize(
    "variables",
    [
        DEAD,
        {"DISPLAY": ":77"},
        {"WAYLAND_DISPLAY": "wayland-9", "QT_QPA_PLATFORM": "wayland"},
        {"QT_QPA_PLATFORM": "nonsense"},
    ],
)
def test_a_display_that_qt_would_abort_on_is_one_sentence(on_display, variables):
    on_display(**variables)

    found = qt_check.display_refusal()

    assert len(found.splitlines()) == 1
    assert found.startswith("the display (")
    assert all(f"{name}={value}" in found for name, value in variables.items())
    assert "cannot be used (" in found


def test_a_display_that_does_not_answer_is_not_waited_for(on_display, monkeypatch):
    on_display(**DEAD)
    monkeypatch.setattr(qt_check, "PATIENCE_S", 0.001)  # sooner than Python starts

    assert qt_check.display_refusal().endswith("does not answer")


def test_pictures_need_no_display(on_display):
    on_display(QT_QPA_PLATFORM="offscreen", DISPLAY="localhost:10.0")

    assert qt_check.display_refusal() == ""


def test_of_what_qt_says_the_connection_is_what_counts():
    said = "qt.qpa.x: needs y\nqt.qpa.xcb: could not connect to display :7\nAborted.\n"

    assert qt_check._reason(said) == "qt.qpa.xcb: could not connect to display :7"
    assert qt_check._reason("\n") == "no reason given"
