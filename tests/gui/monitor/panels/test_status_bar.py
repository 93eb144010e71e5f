import pytest

pytest.importorskip("pyqtgraph")

from specklenn.core.messages import RankStatus

pytestmark = pytest.mark.gui


def test_status_bar_shows_run_shots_ranks_and_losses(watch, make_stream, make_snapshot):
    snapshot = make_snapshot(
        expected_shots=5000,
        fit_version=2,
        missed_shots=30,
        skipped={"not finite": 12},
        ranks=(
            RankStatus(rank=1, host="n1", shots=1, silent_s=0.1, failure=""),
            RankStatus(rank=2, host="n2", shots=1, silent_s=0.1, failure="OSError: x"),
        ),
    )
    status_bar = watch(make_stream(snapshot)).window.status_bar

    assert status_bar.pill.full_text.startswith("● LIVE")
    assert status_bar.chips["title"].full_text == "amo06516 run 94"
    assert status_bar.chips["shots"].full_text == "1\u2009012 of 5\u2009000 shots"
    assert "12  not finite" in status_bar.chips["lost"].toolTip()
    assert status_bar.chips["ranks"].full_text == "ranks 1/2"
    assert "OSError: x" in status_bar.chips["ranks"].toolTip()
    assert status_bar.chips["support"].full_text == "support v7"
    assert status_bar.chips["model"].full_text == "model v1"
    assert "default" in status_bar.chips["model"].toolTip()
    assert "fit v2" in status_bar.chips["model"].toolTip()
