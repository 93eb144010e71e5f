import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtCore

pytestmark = pytest.mark.gui

START_S = 1_700_000_000.0


def test_curves_hold_per_cent_and_gaps(watch, make_stream, make_snapshot):
    seconds = np.concatenate([np.arange(0, 40), np.arange(60, 100)])
    counts = np.outer(seconds, [1, 0, 0, 4, 0])
    snapshot = make_snapshot(
        counts=counts[-1],
        now_s=START_S + 99,
        history_s=START_S + seconds.astype(float),
        history_counts=counts,
    )
    plot = watch(make_stream(snapshot)).window.rate_plot

    times, rates = plot.curves["single-hit"].getData()
    gap = (times >= START_S + 60) & (times < START_S + 62)
    assert np.isnan(rates[gap]).all()
    np.testing.assert_allclose(rates[np.isfinite(rates)], 20.0)
    assert plot.plot.getAxis("bottom").labelText == "time (PST, UTC-08:00)"


def test_no_hit_is_hidden_until_its_name_is_clicked(watch, simulated):
    plot = watch(simulated).window.rate_plot
    assert not plot.curves["no-hit"].isVisible()

    plot.entries["no-hit"].click()

    assert plot.curves["no-hit"].isVisible()
    assert plot.confidence_bands["no-hit"].isVisible()


def test_marks_are_drawn_once(watch, make_stream, make_snapshot):
    monitor = watch(
        make_stream(make_snapshot(), make_snapshot(session="b", now_s=START_S + 1))
    )
    monitor.refresh()
    lines = list(monitor.window.rate_plot._lines)
    monitor.refresh()

    assert [line.label.format for line in lines] == ["restart"]
    assert monitor.window.rate_plot._lines == lines


def test_dragging_the_plot_holds_its_range_until_home(watch, simulated, qtbot, clock):
    monitor = watch(simulated)
    plot = monitor.window.rate_plot
    box = plot.plot.getViewBox()
    box.setRange(yRange=(0, 50), padding=0)
    box.sigRangeChangedManually.emit([True, True])
    clock.now += 3
    monitor.refresh()
    assert box.viewRange()[1][1] == pytest.approx(50)
    assert "Home" in plot.hint.full_text

    qtbot.keyClick(monitor.window, QtCore.Qt.Key.Key_Home)
    assert box.viewRange()[1][1] < 20
