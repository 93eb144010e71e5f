import pytest

pytest.importorskip("pyqtgraph")

pytestmark = pytest.mark.gui


def test_old_data_are_dimmed_and_dated(
    watch, make_stream, make_snapshot, clock, screenshot
):
    monitor = watch(make_stream(make_snapshot()))
    live = screenshot(monitor.window._middle).mean()
    clock.now += 4
    monitor.refresh()
    stale = screenshot(monitor.window._middle).mean()
    pill = monitor.window.status_bar.pill.full_text
    clock.now += 8
    monitor.refresh()

    assert stale < 0.85 * live
    assert pill == "▲ STALE  4 s"
    assert monitor.window.status_bar.pill.full_text == "▲ DISCONNECTED  12 s"
    assert "14:13:20 PST" in monitor.window.footer.source.full_text


def test_data_that_come_again_undim_the_window(
    watch, make_stream, make_snapshot, clock
):
    stream = make_stream(make_snapshot())
    monitor = watch(stream)
    clock.now += 20
    monitor.refresh()
    stream.snapshots.append(make_snapshot(sequence=2))
    monitor.refresh()

    assert monitor.window.status_bar.pill.full_text.startswith("● LIVE")
    assert not monitor.window.overlay.isVisible()


def test_a_finished_run_is_not_dimmed(watch, make_stream, make_snapshot, clock):
    monitor = watch(make_stream(make_snapshot(state="finished")))
    clock.now += 600
    monitor.refresh()

    assert monitor.window.status_bar.pill.full_text == "■ FINISHED"
    assert not monitor.window.overlay.isVisible()


def test_waiting_names_the_address_in_a_sentence(watch, make_stream, screenshot):
    window = watch(make_stream()).window

    assert window.overlay.isVisible()
    assert window.overlay.title == "Waiting for data on a list"
    assert "specklenn run" in window.overlay.words
    assert screenshot(window._middle).max() > 200


def test_unreadable_messages_are_explained_while_waiting(watch, make_stream):
    stream = make_stream()
    monitor = watch(stream)
    stream.bad_messages, stream.last_problem = 3, "schema 9, this window 1"
    monitor.refresh()
    monitor.refresh()

    assert "schema 9, this window 1" in monitor.window.overlay.words
    assert monitor.window.status_bar.chips["bad"].full_text == "3 bad messages"
