import numpy as np
import pytest

from specklenn.core.labelling.label_store import LabelStore
from specklenn.core.labelling.session import LabelSession

CLASSES = ("single-hit", "multi-hit", "non-sample-hit")
SHOTS = np.arange(10, 30, 2)


def draw(shot, whole):
    return np.full((12, 12) if whole else (6, 6), shot, np.float32)


@pytest.fixture
def store(tmp_path, run_of):
    return LabelStore(tmp_path / "a.json", run_of(100))


@pytest.fixture
def in_order(store):
    return LabelSession(SHOTS, store, CLASSES, draw)


@pytest.fixture
def suggested(store, learn_from):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((len(SHOTS), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return LabelSession(SHOTS, store, CLASSES, draw, learn_from(vectors, CLASSES))


def test_a_label_is_saved_and_the_next_shot_shown(in_order, store):
    in_order.label("multi-hit")

    assert store.labels == {10: "multi-hit"}
    assert in_order.shot == 12
    assert in_order.view().message == "shot 10: multi-hit"
    assert in_order.view().labelled == 1


def test_back_and_forward_walk_over_what_was_seen(in_order):
    in_order.label("multi-hit")
    in_order.forward()
    in_order.back()
    in_order.back()

    assert in_order.shot == 10
    assert in_order.view().label == "multi-hit"
    in_order.back()
    assert in_order.view().message == "this is the first shot"
    in_order.forward()
    in_order.forward()
    assert in_order.shot == 14


def test_undo_goes_back_to_the_shot(in_order, store):
    in_order.label("multi-hit")
    in_order.label("single-hit")

    in_order.undo()
    assert (in_order.shot, dict(store.labels)) == (12, {10: "multi-hit"})
    in_order.undo()
    assert (in_order.shot, dict(store.labels)) == (10, {})
    in_order.undo()
    assert in_order.view().message == "nothing to undo"


def test_a_label_can_be_taken_away(in_order, store):
    in_order.label("multi-hit")
    in_order.back()
    in_order.clear()

    assert store.labels == {}
    assert in_order.shot == 10
    in_order.clear()
    assert in_order.view().message == "shot 10 has no label"


def test_the_filter_walks_through_one_class_after_another(in_order):
    for label in ("multi-hit", "single-hit", "multi-hit"):
        in_order.label(label)
    in_order.next_filter()
    assert (in_order.view().filter_name, in_order.view().listed) == ("all", 10)
    in_order.next_filter()
    in_order.next_filter()

    assert in_order.view().filter_name == "multi-hit"
    assert (in_order.shot, in_order.view().listed) == (10, 2)
    in_order.forward()
    assert in_order.shot == 14
    in_order.label("unknown")
    assert in_order.view().listed == 1
    assert in_order.view().message == "shot 14: unknown; this was the last shot"


def test_a_filter_that_no_shot_passes_shows_all_and_says_so(store):
    session = LabelSession(SHOTS, store, CLASSES, draw, start="drop")

    assert session.view().filter_name == "all"
    assert session.view().message == "no shot is drop; all are shown"


def test_suggestions_come_one_after_another_until_none_is_left(suggested):
    met = []
    for _ in SHOTS:
        met.append(suggested.shot)
        suggested.label("single-hit")

    assert sorted(met) == SHOTS.tolist()
    assert suggested.view().message.startswith("every shot offered has a label")


def test_a_shot_passed_by_is_not_suggested_again_but_can_be_gone_back_to(suggested):
    first = suggested.shot
    suggested.forward()
    second = suggested.shot
    suggested.suggest()

    assert second != first
    suggested.back()
    assert suggested.shot == first


def test_guesses_are_compared_with_what_the_person_says(suggested):
    suggested.label("single-hit")
    suggested.label("multi-hit")
    assert suggested.view().guesses == 0

    suggested.label("non-sample-hit")
    suggested.label("unknown")

    assert (suggested.view().guessed, suggested.view().guesses) == (0, 1)


def test_the_order_of_the_run_needs_no_network(in_order):
    in_order.suggest()

    assert in_order.view().message == "nothing is suggested with --order file"


def test_pictures_are_of_the_frame_or_the_crop_and_as_coarse_as_wanted(in_order):
    assert in_order.picture(100).shape == (12, 12)
    assert in_order.picture(5).shape == (4, 4)
    in_order.toggle_coarse()
    assert in_order.picture(100).tolist() == [[40.0] * 6] * 6
    in_order.toggle_frame()
    assert in_order.picture(100).shape == (3, 3)
    assert in_order.view().frame == "what the network sees, 2 x 2"


def test_a_label_that_cannot_be_saved_is_told_and_kept(in_order, store):
    blocked = store.path.with_name(f"{store.path.name}.part")
    blocked.mkdir()

    in_order.label("single-hit")

    assert in_order.view().failed
    assert "cannot be written" in in_order.view().message
    assert store.labels == {10: "single-hit"}


def test_examples_are_the_latest_of_a_label(in_order):
    for _ in range(5):
        in_order.label("multi-hit")

    assert in_order.examples("multi-hit", 3) == [18, 16, 14]
    assert in_order.example_picture(14, 3).shape == (3, 3)
