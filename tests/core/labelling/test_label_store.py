import json
import os

import pytest

from specklenn.core.errors import DataError
from specklenn.core.labelling.label_file import read_labels, write_labels
from specklenn.core.labelling.label_store import LabelStore, merged


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.labels.json"


@pytest.fixture
def psocake_path(tmp_path):
    return tmp_path / "amo06516_0094.label.json"


def test_every_change_is_on_disk_before_the_next(path):
    store = LabelStore(path, 100)

    store.set(3, "single-hit")
    assert read_labels(path, 100) == {3: "single-hit"}
    store.set(3, "multi-hit")
    assert read_labels(path, 100) == {3: "multi-hit"}
    store.set(3, "")
    assert read_labels(path, 100) == {}


def test_undo_takes_changes_back_in_turn(path):
    store = LabelStore(path, 100)
    store.set(1, "single-hit")
    store.set(1, "multi-hit")
    store.set(2, "no-hit")

    assert [store.undo(), store.undo()] == [2, 1]
    assert read_labels(path, 100) == {1: "single-hit"}
    assert [store.undo(), store.undo()] == [1, None]
    assert read_labels(path, 100) == {}


def test_a_later_sitting_goes_on_and_undoes_nothing_of_the_first(path):
    LabelStore(path, 100).set(1, "single-hit")

    store = LabelStore(path, 100)

    assert store.label_of(1) == "single-hit"
    assert store.undo() is None


def test_a_changed_label_counts_as_given_last(path):
    store = LabelStore(path, 100)
    store.set(1, "single-hit")
    store.set(2, "single-hit")
    store.set(1, "multi-hit")

    assert list(store.labels) == [2, 1]


def test_counts_name_every_class_even_without_labels(path):
    store = LabelStore(path, 100)
    store.set(1, "drop")
    store.set(2, "drop")

    assert store.counts(("single-hit",)) == {"single-hit": 0, "drop": 2}


def test_labels_of_psocake_are_taken_over_and_kept_up(path, psocake_path):
    psocake_path.write_text('{"5": "1", "6": "3"}')

    store = LabelStore(path, 100, psocake_path)
    store.set(7, "non-sample-hit")

    assert read_labels(path, 100) == {
        5: "single-hit",
        6: "unknown",
        7: "non-sample-hit",
    }
    assert json.loads(psocake_path.read_text()) == {"5": "1", "6": "3", "7": "3"}


@pytest.mark.parametrize(("newer", "right"), [(True, "multi-hit"), (False, "no-hit")])
def test_where_psocake_disagrees_the_file_written_last_is_right(
    path, psocake_path, newer, right
):
    write_labels(path, {1: "no-hit", 2: "non-sample-hit"})
    psocake_path.write_text('{"1": "2", "2": "3"}')
    os.utime(path, ns=(10**9, 10**9))
    os.utime(psocake_path, ns=(10**9 + 1 if newer else 1, 10**9 + 1 if newer else 1))

    store = LabelStore(path, 100, psocake_path)

    assert store.labels == {1: right, 2: "non-sample-hit"}


def test_psocake_cannot_take_a_name_away_that_it_does_not_know():
    assert merged({1: "drop"}, {1: "unknown"}, theirs_newer=True) == {1: "drop"}


def test_two_people_at_once_lose_nothing(path):
    first, second = LabelStore(path, 100), LabelStore(path, 100)

    first.set(1, "single-hit")
    second.set(2, "multi-hit")
    first.set(3, "no-hit")
    second.set(1, "multi-hit")
    first.set(4, "no-hit")

    assert read_labels(path, 100) == {
        1: "single-hit",
        2: "multi-hit",
        3: "no-hit",
        4: "no-hit",
    }


def test_what_could_not_be_saved_is_saved_with_the_next_label(path):
    store = LabelStore(path, 100)
    path.parent.chmod(0o755)
    blocked = path.with_name(f"{path.name}.part")
    blocked.mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        store.set(1, "single-hit")
    blocked.rmdir()

    store.set(2, "single-hit")

    assert read_labels(path, 100) == {1: "single-hit", 2: "single-hit"}
