import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

pytestmark = pytest.mark.gui


def row_of(window, name):
    return next(row for row in window.gallery.rows if row.name == name)


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
def test_no_text_is_clipped(watch, simulated, size):
    window = watch(simulated, size).window

    labels = [x for x in window.findChildren(QtWidgets.QLabel) if x.isVisible()]
    clipped = [
        label.text()
        for label in labels
        if label.fontMetrics().horizontalAdvance(label.text())
        > label.contentsRect().width()
        or label.fontMetrics().height() > label.contentsRect().height()
        or "…" in label.text()
    ]
    assert len(labels) > 30
    assert clipped == []
    assert (window.width(), window.height()) == size


def test_no_part_needs_more_than_a_small_screen(watch, simulated):
    needed = watch(simulated).window.minimumSizeHint()

    assert needed.width() <= 1366
    assert needed.height() <= 768


def test_all_letters_exist_in_the_font(watch, simulated):
    window = watch(simulated).window

    for label in window.findChildren(QtWidgets.QLabel):
        missing = [
            letter
            for letter in label.text()
            if not label.fontMetrics().inFontUcs4(ord(letter)) and letter != "\n"
        ]
        assert missing == [], label.text()


def test_few_classes_leave_the_plot_what_they_do_not_need(
    watch, make_stream, make_snapshot, make_example
):
    examples = tuple(make_example(index=i) for i in range(6))
    window = watch(make_stream(make_snapshot(examples=examples)), (1920, 1080)).window

    right = max(t.geometry().right() for t in row_of(window, "single-hit").thumbnails)
    assert window.gallery.width() - right < 40


def test_any_class_names_get_tiles_curves_and_rows_once(
    watch, make_stream, make_snapshot
):
    names = ("<b>drop</b>", "x" * 300, "no-hit")
    other = {"classes": names, "counts": np.array([1, 2, 3])}
    monitor = watch(
        make_stream(make_snapshot(**other), make_snapshot(sequence=2, **other))
    )
    window = monitor.window
    before = list(window.rate_tiles.tiles)
    monitor.refresh()

    assert window.rate_tiles.tiles == before
    assert tuple(window.rate_plot.curves) == names
    assert [row.name for row in window.gallery.rows] == list(names)
    assert window.rate_tiles.tiles[0].title.text() == "<b>drop</b>"


def test_other_classes_replace_all_parts(watch, make_stream, make_snapshot):
    monitor = watch(
        make_stream(
            make_snapshot(),
            make_snapshot(sequence=2, classes=("a", "b"), counts=np.array([1, 1])),
        )
    )
    items = len(monitor.window.rate_plot.plot.getPlotItem().items)
    monitor.refresh()

    assert [tile.name for tile in monitor.window.rate_tiles.tiles] == ["a", "b"]
    assert len(monitor.window.rate_plot.plot.getPlotItem().items) == items - 6


def test_space_holds_the_picture_and_counting_goes_on(
    watch, make_stream, make_snapshot, qtbot, clock, screenshot
):
    stream = make_stream(make_snapshot())
    monitor = watch(stream)
    window = monitor.window
    qtbot.keyClick(window, QtCore.Qt.Key.Key_Space)
    before = screenshot(window)
    stream.snapshots.append(make_snapshot(sequence=2, counts=np.full(5, 900)))
    clock.now += 5
    monitor.refresh()

    assert window.status_bar.pill.full_text == "PAUSED since 14:13:20 PST"
    assert (screenshot(window) == before).all()
    assert monitor.state.newest.sequence == 2
    qtbot.keyClick(window, QtCore.Qt.Key.Key_Space)
    assert window.status_bar.chips["shots"].full_text == "4\u2009500 shots"


def test_help_lists_every_shortcut(watch, make_stream, qtbot):
    window = watch(make_stream()).window
    qtbot.keyClick(window, QtCore.Qt.Key.Key_F1)

    words = [label.text() for label in window.help.findChildren(QtWidgets.QLabel)]
    assert window.help.isVisible()
    for action in window.actions():
        assert action.shortcut().toString() in words
        assert action.toolTip() in words
    qtbot.keyClick(window, QtCore.Qt.Key.Key_F1)
    assert not window.help.isVisible()


def test_saved_picture_has_a_footer_and_a_telling_name(
    watch, simulated, qtbot, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    window = watch(simulated).window
    qtbot.keyClick(
        window, QtCore.Qt.Key.Key_S, QtCore.Qt.KeyboardModifier.ControlModifier
    )

    (saved,) = tmp_path.glob("*.png")
    picture = QtGui.QImage(str(saved))
    assert saved.name == "simulated_94_20231114-141320_window.png"
    assert picture.width() == 1366
    assert picture.height() > 768
    assert str(saved) in window.footer.message.full_text


def test_a_picture_that_cannot_be_saved_is_said(
    watch, simulated, monkeypatch, tmp_path
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    window = watch(simulated).window
    window.save_screenshot()

    assert window.footer.message.full_text.startswith("picture not saved")


def test_no_dialog_opens_and_no_item_is_added_while_running(watch, simulated, clock):
    monitor = watch(simulated)
    scene = monitor.window.rate_plot.plot.scene()
    clock.now += 2
    monitor.refresh()
    items = len(scene.items())
    widgets = len(monitor.window.findChildren(QtWidgets.QWidget))
    for _ in range(30):
        clock.now += 1.1
        monitor.refresh()
        QtWidgets.QApplication.processEvents()

    assert QtWidgets.QApplication.activeModalWidget() is None
    assert len(monitor.window.findChildren(QtWidgets.QWidget)) == widgets
    assert abs(len(scene.items()) - items) <= 2
