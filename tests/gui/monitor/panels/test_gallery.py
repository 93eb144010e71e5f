import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

pytestmark = pytest.mark.gui

START_S = 1_700_000_000.0


def row_of(window, name):
    return next(row for row in window.gallery.rows if row.name == name)


def test_the_letter_f_stands_upright_in_the_gallery(
    watch, make_stream, make_snapshot, make_example, screenshot
):
    letter = np.zeros((12, 12), np.float32)
    letter[2:10, 3] = letter[2, 3:9] = letter[5, 3:7] = 50
    snapshot = make_snapshot(examples=(make_example(pattern=letter),))
    window = watch(make_stream(snapshot)).window
    thumbnail = row_of(window, "single-hit").thumbnails[0]

    place = thumbnail.image_rect()
    pixels = screenshot(thumbnail).sum(axis=2)
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
    watch, make_stream, make_snapshot, make_example, pattern, screenshot
):
    example = make_example(pattern=pattern.astype(np.float32))
    window = watch(make_stream(make_snapshot(examples=(example,)))).window

    assert screenshot(row_of(window, "single-hit").thumbnails[0]).size
    assert row_of(window, "single-hit").expanded


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

    first, second, third = row_of(monitor.window, "single-hit").thumbnails[:3]
    assert first.captions == ("0.55   2 s", "#6")
    assert second.captions == ("0.93   9 s", "#5")
    assert third.example is None
    assert first.low_score
    assert not second.low_score


def test_low_scores_have_a_dashed_border(
    watch, make_stream, make_snapshot, make_example, screenshot
):
    dark = np.zeros((8, 8), np.float32)
    sure = make_example(index=1, score=0.9, pattern=dark)
    unsure = make_example(index=2, score=0.5, pattern=dark)
    window = watch(make_stream(make_snapshot(examples=(unsure, sure)))).window

    broken, full = (
        len(np.unique(screenshot(t)[0:2, 10:-10].reshape(-1, 3), axis=0))
        for t in row_of(window, "single-hit").thumbnails[:2]
    )
    assert full == 1
    assert broken > 1


def test_a_class_without_examples_collapses_and_says_so(watch, simulated):
    window = watch(simulated).window

    row = row_of(window, "no-hit")
    assert not row.expanded
    assert row.note.full_text == "no examples yet"
    assert not any(thumbnail.isVisible() for thumbnail in row.thumbnails)


def test_the_gallery_uses_the_area_that_it_has(watch, simulated):
    window = watch(simulated).window
    thumbnails = row_of(window, "single-hit").thumbnails
    last = row_of(window, "unknown").thumbnails[-1]

    right = thumbnails[-1].geometry().right()
    assert window.gallery.width() - right < 40
    assert window.gallery.height() - last.geometry().bottom() < 40


def test_a_row_under_the_mouse_does_not_move(
    watch, make_stream, make_snapshot, make_example, monkeypatch
):
    stream = make_stream(make_snapshot(examples=(make_example(index=1),)))
    monitor = watch(stream)
    row = row_of(monitor.window, "single-hit")
    monkeypatch.setattr(row.thumbnails[0], "underMouse", lambda: True)
    newer = make_example(index=2, timestamp_ns=int(START_S * 1e9))
    stream.snapshots.append(make_snapshot(sequence=2, examples=(newer,)))
    monitor.refresh()
    assert row.thumbnails[0].example.example.index == 1

    monkeypatch.undo()
    monitor.refresh()
    assert row.thumbnails[0].example.example.index == 2
