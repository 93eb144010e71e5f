import json

import numpy as np
import pytest

from specklenn.core.errors import ConfigError, DataError
from specklenn.core.labelling.navigation import Navigation
from specklenn.core.labelling.purity_check import CheckedShot, PurityCheck
from specklenn.core.labelling.purity_file import (
    DrawnOrder,
    PurityStore,
    read_check,
    same_draw,
)
from specklenn.core.rows import empty_rows

CLASSES = ("single-hit", "multi-hit", "no-hit", "unknown")
ORDER = (31, 4, 12, 7)


@pytest.fixture
def check():
    return PurityCheck(
        results="results.h5",
        checked_class="single-hit",
        above_score=0.0,
        seed=0,
        of_class=40,
        of_others=0,
        shots=tuple(
            CheckedShot(shot=shot, label="single-hit", score=0.5 + shot / 100)
            for shot in ORDER
        ),
    )


@pytest.fixture
def rows():
    made = empty_rows(len(ORDER), 2)
    made["index"], made["label"] = ORDER, 0
    made["score"] = [0.5 + shot / 100 for shot in ORDER]
    return made


def test_every_answer_is_on_disk_at_once_and_is_read_again(tmp_path, check):
    path = tmp_path / "a.json"
    store = PurityStore(path, check)

    for shot, label in ((31, "yes"), (4, "no"), (12, "unsure")):
        store.set(shot, label)
        assert read_check(path) == store.check

    again = PurityStore(path, read_check(path))
    assert again.labels == {31: "yes", 4: "no", 12: "unsure"}
    assert again.counts(("yes", "no", "unsure")) == {"yes": 1, "no": 1, "unsure": 1}


def test_an_answer_can_be_undone_changed_and_taken_away(tmp_path, check):
    store = PurityStore(tmp_path / "a.json", check)
    store.set(31, "yes")
    store.set(4, "no")

    assert store.undo() == 4
    store.set(31, "no")
    assert store.labels == {31: "no"}
    assert store.undo() == 31
    store.set(31, "")
    assert store.labels == {}
    assert store.undo() == 31
    assert store.undo() == 31
    assert store.undo() is None


def test_shots_come_in_the_order_of_the_draw(tmp_path, check):
    """So that whoever stops early has seen a sample of all, not the run's beginning."""
    store = PurityStore(tmp_path / "a.json", check)
    way = Navigation(np.array(sorted(ORDER)), store, DrawnOrder(check))
    way.start("unlabelled")
    seen = []

    for label in ("yes", "no", "yes", "no"):
        seen.append(way.shot)
        assert way.reason == "Is this single-hit? y yes, n no, 9 unsure"
        assert way.guess() == ""
        store.set(way.shot, label)
        way.next()

    assert tuple(seen) == ORDER


def test_answers_on_the_same_results_go_on_where_more_rows_have_come(check, rows):
    more = np.concatenate([empty_rows(3, 2), rows])

    same_draw("a.json", check, more, CLASSES)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("label", 1, "shot 31 was single-hit there, multi-hit is in results.h5"),
        ("label", -1, "shot 31 was single-hit there, skipped is in"),
        ("score", 0.2, "shot 31 was .*or with another score"),
        ("index", 99, "shot 31 was single-hit there, no row is in"),
    ],
)
def test_answers_on_other_results_are_refused(check, rows, field, value, words):
    rows[field][0] = value

    with pytest.raises(ConfigError, match=words):
        same_draw("a.json", check, rows, CLASSES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no purity check: the whole file"),
        ("[]", "no purity check"),
        ('{"results": "r"}', "no purity check: checked_class: field required"),
    ],
)
def test_a_file_that_is_no_check_is_refused(tmp_path, content, words):
    (tmp_path / "a.json").write_text(content)

    with pytest.raises(DataError, match=words):
        read_check(tmp_path / "a.json")


def test_an_answer_that_is_none_is_refused(tmp_path, check):
    values = check.model_dump(mode="json")
    values["shots"][1]["answer"] = "perhaps"
    (tmp_path / "a.json").write_text(json.dumps(values))

    with pytest.raises(DataError, match=r"shots\.1\.answer"):
        read_check(tmp_path / "a.json")
