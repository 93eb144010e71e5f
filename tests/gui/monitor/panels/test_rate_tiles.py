import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

pytestmark = pytest.mark.gui

START_S = 1_700_000_000.0


def test_tiles_show_rate_interval_and_denominator(watch, make_stream, make_snapshot):
    counts = np.array([8, 0, 0, 192, 0])
    history = np.array([counts * 0, counts])
    snapshot = make_snapshot(
        counts=counts,
        history_s=START_S - np.array([10.0, 0.0]),
        history_counts=history,
    )
    window = watch(make_stream(snapshot)).window

    first, second = window.rate_tiles.tiles[:2]
    assert first.rate.full_text == "4.0 %"
    assert first.interval.full_text == "2.0 \N{EN DASH} 7.7 %"
    assert first.counts.full_text == "8 / 200"
    assert second.interval.full_text == "0.0 \N{EN DASH} 1.9 %"


def test_another_window_changes_the_tiles_at_once(watch, simulated):
    window = watch(simulated).window
    before = window.rate_tiles.tiles[0].counts.full_text

    window.rate_plot.windows.setCurrentIndex(0)

    assert window.choices().window_s == 60.0
    assert window.rate_tiles.tiles[0].counts.full_text != before
