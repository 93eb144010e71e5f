import pytest

pytest.importorskip("pyqtgraph")

pytestmark = pytest.mark.gui


def test_failures_stand_in_the_banner(watch, make_stream, make_snapshot):
    banner = watch(
        make_stream(make_snapshot(failures=("rank 3 failed",)))
    ).window.banner

    assert banner.isVisible()
    assert banner.lines[0].full_text == "▲ rank 3 failed"


def test_no_failure_no_banner(watch, make_stream, make_snapshot):
    assert not watch(make_stream(make_snapshot())).window.banner.isVisible()
