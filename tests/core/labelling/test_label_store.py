import json
import os

import pytest

from specklenn.core.errors import DataError
from specklenn.core.labelling.label_file import read_labels, write_labels
from specklenn.core.labelling.label_store import LabelStore, merged


@pytest.fixture
def data(run_of):
    return run_of(100)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.labels.json"


@pytest.fixture
def psocake_path(tmp_path):
    return tmp_path / "amo06516_0094.label.json"


def test_every_change_is_on_disk_before_the_next(data, path):
    store = LabelStore(path, data)

    store.set(3, "single-hit")
    assert read_labels(path, data).labels == {3: "single-hit"}
    store.set(3, "multi-hit")
    assert read_labels(path, data).labels == {3: "multi-hit"}
    store.set(3, "")
    assert read_labels(path, data).labels == {}


def test_undo_takes_changes_back_in_turn(data, path):
    store = LabelStore(path, data)
    store.set(1, "single-hit")
    store.set(1, "multi-hit")
    store.set(2, "no-hit")

    assert [store.undo(), store.undo()] == [2, 1]
    assert read_labels(path, data).labels == {1: "single-hit"}
    assert [store.undo(), store.undo()] == [1, None]
    assert read_labels(path, data).labels == {}


def test_a_later_sitting_goes_on_and_undoes_nothing_of_the_first(data, path):
    LabelStore(path, data).set(1, "single-hit")

    store = LabelStore(path, data)

    assert store.label_of(1) == "single-hit"
    assert store.undo() is None


def test_a_changed_label_counts_as_given_last(data, path):
    store = LabelStore(path, data)
    store.set(1, "single-hit")
    store.set(2, "single-hit")
    store.set(1, "multi-hit")

    assert list(store.labels) == [2, 1]


def test_counts_name_every_class_even_without_labels(data, path):
    store = LabelStore(path, data)
    store.set(1, "drop")
    store.set(2, "drop")

    assert store.counts(("single-hit",)) == {"single-hit": 0, "drop": 2}


def test_labels_of_psocake_are_taken_over_and_kept_up(data, path, psocake_path):
    psocake_path.write_text('{"5": "1", "6": "3"}')

    store = LabelStore(path, data, psocake_path)
    store.set(7, "non-sample-hit")

    assert store.notes == (
        f"{psocake_path}: does not say to which data it belongs; taken for {data.path}",
    )
    assert read_labels(path, data).labels == {
        5: "single-hit",
        6: "unknown",
        7: "non-sample-hit",
    }
    assert json.loads(psocake_path.read_text()) == {"5": "1", "6": "3", "7": "0"}


@pytest.mark.parametrize(("newer", "right"), [(True, "multi-hit"), (False, "no-hit")])
def test_where_psocake_disagrees_the_file_written_last_is_right(
    data, path, psocake_path, newer, right
):
    write_labels(path, {1: "no-hit", 2: "drop"}, data.identity)
    psocake_path.write_text('{"1": "2", "2": "3"}')
    os.utime(path, ns=(10**9, 10**9))
    os.utime(psocake_path, ns=(10**9 + 1 if newer else 1, 10**9 + 1 if newer else 1))

    store = LabelStore(path, data, psocake_path)

    assert store.labels == {1: right, 2: "drop"}


def test_psocake_cannot_take_a_name_away_that_it_does_not_know():
    assert merged({1: "drop"}, {1: "unknown"}, theirs_newer=True) == {1: "drop"}


def test_two_people_at_once_lose_nothing(data, path):
    first, second = LabelStore(path, data), LabelStore(path, data)

    first.set(1, "single-hit")
    second.set(2, "multi-hit")
    first.set(3, "no-hit")
    second.set(1, "multi-hit")
    first.set(4, "no-hit")

    assert read_labels(path, data).labels == {
        1: "single-hit",
        2: "multi-hit",
        3: "no-hit",
        4: "no-hit",
    }


def test_what_could_not_be_saved_is_saved_with_the_next_label(data, path):
    store = LabelStore(path, data)
    path.parent.chmod(0o755)
    blocked = path.with_name(f"{path.name}.part")
    blocked.mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        store.set(1, "single-hit")
    blocked.rmdir()

    store.set(2, "single-hit")

    assert read_labels(path, data).labels == {1: "single-hit", 2: "single-hit"}


def test_labels_of_another_run_are_refused_though_the_files_are_called_alike(
    run_of, path
):
    LabelStore(path, run_of(100, seed=1)).set(3, "single-hit")

    with pytest.raises(DataError, match="shot 0 is another frame there"):
        LabelStore(path, run_of(100, seed=2))


def test_labels_that_were_replaced_by_those_of_another_run_are_not_overwritten(
    run_of, path
):
    store = LabelStore(path, run_of(100, seed=1))
    store.set(3, "single-hit")
    path.unlink()
    LabelStore(path, run_of(100, seed=2)).set(5, "multi-hit")
    theirs = path.read_text()

    with pytest.raises(DataError, match="another frame"):
        store.set(4, "single-hit")

    assert path.read_text() == theirs


def test_files_of_earlier_versions_are_read_with_a_word_and_written_anew(
    data, path, psocake_path
):
    path.write_text('{"1": "no-hit", "2": "non-sample-hit"}')
    psocake_path.write_text('{"1": "0", "2": "3"}')  # what was written beside it

    store = LabelStore(path, data, psocake_path)
    store.save()

    assert len(store.notes) == 2
    assert read_labels(path, data).labels == {1: "no-hit", 2: "non-sample-hit"}
    assert read_labels(path, data).belongs_to == data.identity
    assert json.loads(psocake_path.read_text()) == {"1": "9", "2": "0"}
