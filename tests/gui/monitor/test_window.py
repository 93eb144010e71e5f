import sys

import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.core.messages import RankStatus
from specklenn.gui.monitor.controller import Monitor
from specklenn.gui.monitor.session import reported_exceptions
from specklenn.gui.monitor.simulated import SimulatedStream
from specklenn.gui.monitor.state import MonitorState
from specklenn.gui.monitor.window import MonitorWindow

pytestmark = pytest.mark.gui

START_S = 1_700_000_000.0


@pytest.fixture
def watch(qtbot, clock):
    """Show a window of a given size on a stream, without a timer of its own."""
    opened = []

    def open_window(stream, size=(1366, 768)) -> Monitor:
        window = MonitorWindow(stream.endpoint, clock)
        qtbot.addWidget(window)
        window.resize(*size)
        window.show()
        qtbot.waitExposed(window)
        monitor = Monitor(stream, MonitorState(clock), window)
        opened.append(monitor)
        monitor.refresh()
        QtWidgets.QApplication.processEvents()
        return monitor

    yield open_window
    opened.clear()


@pytest.fixture
def simulated(clock):
    return SimulatedStream(clock=clock)


def _grab(widget) -> np.ndarray:
    """Pixels of a widget, (h, w, 3)."""
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(
        image.height(), image.bytesPerLine()
    )
    return rows[:, : 3 * image.width()].reshape(image.height(), -1, 3).copy()


def _row(window, name):
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


def test_tiles_show_rate_interval_and_denominator(watch, make_stream, make_snapshot):
    counts = np.array([8, 0, 0, 192, 0])
    history = np.array([counts * 0, counts])
    snapshot = make_snapshot(
        counts=counts,
        history_s=START_S - np.array([10.0, 0.0]),
        history_counts=history,
    )
    window = watch(make_stream(snapshot)).window

    first, second = window.tiles.tiles[:2]
    assert first.rate.full_text == "4.0 %"
    assert first.interval.full_text == "2.0 \N{EN DASH} 7.7 %"
    assert first.counts.full_text == "8 / 200"
    assert second.interval.full_text == "0.0 \N{EN DASH} 1.9 %"


def test_strip_shows_run_shots_ranks_and_losses(watch, make_stream, make_snapshot):
    snapshot = make_snapshot(
        expected_shots=5000,
        missed_shots=30,
        skipped={"not finite": 12},
        ranks=(
            RankStatus(rank=1, host="n1", shots=1, silent_s=0.1, failure=""),
            RankStatus(rank=2, host="n2", shots=1, silent_s=0.1, failure="OSError: x"),
        ),
    )
    strip = watch(make_stream(snapshot)).window.strip

    assert strip.pill.full_text.startswith("● LIVE")
    assert strip.chip("title").full_text == "amo06516 run 94"
    assert strip.chip("shots").full_text == "1\u2009012 of 5\u2009000 shots"
    assert "12  not finite" in strip.chip("lost").toolTip()
    assert strip.chip("ranks").full_text == "ranks 1/2"
    assert "OSError: x" in strip.chip("ranks").toolTip()
    assert strip.chip("support").full_text == "support v7"
    assert strip.chip("model").full_text == "model v1"
    assert "default" in strip.chip("model").toolTip()


def test_the_letter_f_stands_upright_in_the_gallery(
    watch, make_stream, make_snapshot, make_example
):
    letter = np.zeros((12, 12), np.float32)
    letter[2:10, 3] = letter[2, 3:9] = letter[5, 3:7] = 50
    snapshot = make_snapshot(examples=(make_example(pattern=letter),))
    window = watch(make_stream(snapshot)).window
    thumbnail = _row(window, "single-hit").thumbnails[0]

    place = thumbnail.picture_rect()
    pixels = _grab(thumbnail).sum(axis=2)
    for row in range(12):
        for column in range(12):
            y = place.top() + round((row + 0.5) * place.height() / 12)
            x = place.left() + round((column + 0.5) * place.width() / 12)
            assert (pixels[y, x] > 300) == (letter[row, column] > 0), (row, column)


@pytest.mark.parametrize(
    "pattern",
    [
        np.zeros((96, 96)),
        np.full((96, 96), np.nan),
        np.full((96, 96), -5.0),
        np.ones((1, 1)),
        np.ones((3, 400)),
        np.ones((0, 0)),
        np.ones((600, 700)),
        np.where(np.eye(96) > 0, 1e9, 1.0),
    ],
    ids=["zero", "masked", "negative", "one pixel", "flat", "empty", "large", "hot"],
)
def test_strange_patterns_are_drawn(
    watch, make_stream, make_snapshot, make_example, pattern
):
    example = make_example(pattern=pattern.astype(np.float32))
    window = watch(make_stream(make_snapshot(examples=(example,)))).window

    assert _grab(_row(window, "single-hit").thumbnails[0]).size
    assert _row(window, "single-hit").expanded


def test_newest_example_comes_first_with_score_age_and_event(
    watch, make_stream, make_snapshot, make_example, clock
):
    old = make_example(index=5, timestamp_ns=int((START_S - 9) * 1e9))
    new = make_example(index=6, timestamp_ns=int((START_S - 2) * 1e9), score=0.55)
    monitor = watch(
        make_stream(
            make_snapshot(examples=(old,)),
            make_snapshot(sequence=2, examples=(new, old)),
        )
    )
    monitor.refresh()

    first, second, third = _row(monitor.window, "single-hit").thumbnails[:3]
    assert first.captions == ("0.55   2 s", "#6")
    assert second.captions == ("0.93   9 s", "#5")
    assert third.example is None
    assert first.low_score
    assert not second.low_score


def test_low_scores_have_a_dashed_border(
    watch, make_stream, make_snapshot, make_example
):
    dark = np.zeros((8, 8), np.float32)
    sure = make_example(index=1, score=0.9, pattern=dark)
    unsure = make_example(index=2, score=0.5, pattern=dark)
    window = watch(make_stream(make_snapshot(examples=(unsure, sure)))).window

    broken, full = (
        len(np.unique(_grab(t)[0:2, 10:-10].reshape(-1, 3), axis=0))
        for t in _row(window, "single-hit").thumbnails[:2]
    )
    assert full == 1
    assert broken > 1


def test_a_class_without_examples_collapses_and_says_so(watch, simulated):
    window = watch(simulated).window

    row = _row(window, "no-hit")
    assert not row.expanded
    assert row.note.full_text == "no examples yet"
    assert not any(thumbnail.isVisible() for thumbnail in row.thumbnails)


def test_the_gallery_uses_the_area_that_it_has(watch, simulated):
    window = watch(simulated).window
    thumbnails = _row(window, "single-hit").thumbnails
    last = _row(window, "unknown").thumbnails[-1]

    right = thumbnails[-1].geometry().right()
    assert window.gallery.width() - right < 40
    assert window.gallery.height() - last.geometry().bottom() < 40


def test_few_classes_leave_the_plot_what_they_do_not_need(
    watch, make_stream, make_snapshot, make_example
):
    examples = tuple(make_example(index=i) for i in range(6))
    window = watch(make_stream(make_snapshot(examples=examples)), (1920, 1080)).window

    right = max(t.geometry().right() for t in _row(window, "single-hit").thumbnails)
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
    before = list(window.tiles.tiles)
    monitor.refresh()

    assert window.tiles.tiles == before
    assert tuple(window.plot.curves) == names
    assert [row.name for row in window.gallery.rows] == list(names)
    assert window.tiles.tiles[0].title.text() == "<b>drop</b>"


def test_other_classes_replace_all_parts(watch, make_stream, make_snapshot):
    monitor = watch(
        make_stream(
            make_snapshot(),
            make_snapshot(sequence=2, classes=("a", "b"), counts=np.array([1, 1])),
        )
    )
    items = len(monitor.window.plot.plot.getPlotItem().items)
    monitor.refresh()

    assert [tile.name for tile in monitor.window.tiles.tiles] == ["a", "b"]
    assert len(monitor.window.plot.plot.getPlotItem().items) == items - 6


def test_curves_hold_per_cent_and_gaps(watch, make_stream, make_snapshot):
    seconds = np.concatenate([np.arange(0, 40), np.arange(60, 100)])
    counts = np.outer(seconds, [1, 0, 0, 4, 0])
    snapshot = make_snapshot(
        counts=counts[-1],
        now_s=START_S + 99,
        history_s=START_S + seconds.astype(float),
        history_counts=counts,
    )
    plot = watch(make_stream(snapshot)).window.plot

    times, rates = plot.curves["single-hit"].getData()
    gap = (times >= START_S + 60) & (times < START_S + 62)
    assert np.isnan(rates[gap]).all()
    np.testing.assert_allclose(rates[np.isfinite(rates)], 20.0)
    assert plot.plot.getAxis("bottom").labelText == "time (PST, UTC-08:00)"


def test_no_hit_is_hidden_until_its_name_is_clicked(watch, simulated):
    plot = watch(simulated).window.plot
    assert not plot.curves["no-hit"].isVisible()

    plot.entries["no-hit"].click()

    assert plot.curves["no-hit"].isVisible()
    assert plot.bands["no-hit"].isVisible()


def test_another_window_changes_the_tiles_at_once(watch, simulated):
    window = watch(simulated).window
    before = window.tiles.tiles[0].counts.full_text

    window.plot.windows.setCurrentIndex(0)

    assert window.choices().window_s == 60.0
    assert window.tiles.tiles[0].counts.full_text != before


def test_marks_are_drawn_once(watch, make_stream, make_snapshot):
    monitor = watch(
        make_stream(make_snapshot(), make_snapshot(session="b", now_s=START_S + 1))
    )
    monitor.refresh()
    lines = list(monitor.window.plot._lines)
    monitor.refresh()

    assert [line.label.format for line in lines] == ["restart"]
    assert monitor.window.plot._lines == lines


def test_old_data_are_dimmed_and_dated(watch, make_stream, make_snapshot, clock):
    monitor = watch(make_stream(make_snapshot()))
    live = _grab(monitor.window._body).mean()
    clock.now += 4
    monitor.refresh()
    stale = _grab(monitor.window._body).mean()
    pill = monitor.window.strip.pill.full_text
    clock.now += 8
    monitor.refresh()

    assert stale < 0.85 * live
    assert pill == "▲ STALE  4 s"
    assert monitor.window.strip.pill.full_text == "▲ DISCONNECTED  12 s"
    assert "14:13:20 PST" in monitor.window.source.full_text


def test_data_that_come_again_undim_the_window(
    watch, make_stream, make_snapshot, clock
):
    stream = make_stream(make_snapshot())
    monitor = watch(stream)
    clock.now += 20
    monitor.refresh()
    stream.snapshots.append(make_snapshot(sequence=2))
    monitor.refresh()

    assert monitor.window.strip.pill.full_text.startswith("● LIVE")
    assert not monitor.window.veil.isVisible()


def test_a_finished_run_is_not_dimmed(watch, make_stream, make_snapshot, clock):
    monitor = watch(make_stream(make_snapshot(state="finished")))
    clock.now += 600
    monitor.refresh()

    assert monitor.window.strip.pill.full_text == "■ FINISHED"
    assert not monitor.window.veil.isVisible()


def test_waiting_names_the_address_in_a_sentence(watch, make_stream):
    window = watch(make_stream()).window

    assert window.veil.isVisible()
    assert window.veil.title == "Waiting for data on a list"
    assert "specklenn run" in window.veil.words
    assert _grab(window._body).max() > 200


def test_unreadable_messages_are_explained_while_waiting(watch, make_stream):
    stream = make_stream()
    monitor = watch(stream)
    stream.bad_messages, stream.last_problem = 3, "schema 9, this window 1"
    monitor.refresh()
    monitor.refresh()

    assert "schema 9, this window 1" in monitor.window.veil.words
    assert monitor.window.strip.chip("bad").full_text == "3 bad messages"


def test_failures_stand_in_the_banner(watch, make_stream, make_snapshot):
    banner = watch(
        make_stream(make_snapshot(failures=("rank 3 failed",)))
    ).window.banner

    assert banner.isVisible()
    assert banner.lines[0].full_text == "▲ rank 3 failed"


def test_no_failure_no_banner(watch, make_stream, make_snapshot):
    assert not watch(make_stream(make_snapshot())).window.banner.isVisible()


def test_space_holds_the_picture_and_counting_goes_on(
    watch, make_stream, make_snapshot, qtbot, clock
):
    stream = make_stream(make_snapshot())
    monitor = watch(stream)
    window = monitor.window
    qtbot.keyClick(window, QtCore.Qt.Key.Key_Space)
    before = _grab(window)
    stream.snapshots.append(make_snapshot(sequence=2, counts=np.full(5, 900)))
    clock.now += 5
    monitor.refresh()

    assert window.strip.pill.full_text == "PAUSED since 14:13:20 PST"
    assert (_grab(window) == before).all()
    assert monitor.state.newest.sequence == 2
    qtbot.keyClick(window, QtCore.Qt.Key.Key_Space)
    assert window.strip.chip("shots").full_text == "4\u2009500 shots"


def test_a_row_under_the_mouse_does_not_move(
    watch, make_stream, make_snapshot, make_example, monkeypatch
):
    stream = make_stream(make_snapshot(examples=(make_example(index=1),)))
    monitor = watch(stream)
    row = _row(monitor.window, "single-hit")
    monkeypatch.setattr(row.thumbnails[0], "underMouse", lambda: True)
    newer = make_example(index=2, timestamp_ns=int(START_S * 1e9))
    stream.snapshots.append(make_snapshot(sequence=2, examples=(newer,)))
    monitor.refresh()
    assert row.thumbnails[0].example.example.index == 1

    monkeypatch.undo()
    monitor.refresh()
    assert row.thumbnails[0].example.example.index == 2


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
    assert str(saved) in window.status.full_text


def test_a_picture_that_cannot_be_saved_is_said(
    watch, simulated, monkeypatch, tmp_path
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    window = watch(simulated).window
    window.save_picture()

    assert window.status.full_text.startswith("picture not saved")


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

    assert monitor.window.status.full_text == "internal error: RuntimeError: slot broke"
    assert capsys.readouterr().err.count("RuntimeError: slot broke") == 1


def test_no_dialog_opens_and_no_item_is_added_while_running(watch, simulated, clock):
    monitor = watch(simulated)
    scene = monitor.window.plot.plot.scene()
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


def test_dragging_the_plot_holds_its_range_until_home(watch, simulated, qtbot, clock):
    monitor = watch(simulated)
    plot = monitor.window.plot
    box = plot.plot.getViewBox()
    box.setRange(yRange=(0, 50), padding=0)
    box.sigRangeChangedManually.emit([True, True])
    clock.now += 3
    monitor.refresh()
    assert box.viewRange()[1][1] == pytest.approx(50)
    assert "Home" in plot.hint.full_text

    qtbot.keyClick(monitor.window, QtCore.Qt.Key.Key_Home)
    assert box.viewRange()[1][1] < 20
