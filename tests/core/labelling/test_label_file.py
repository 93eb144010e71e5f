import json

import pytest

from specklenn.core.errors import DataError
from specklenn.core.labelling.label_file import (
    is_class_name,
    psocake_file_name,
    read_labels,
    write_labels,
)

NAMED = {31: "single-hit", 4: "non-sample-hit", 12: "no-hit", 7: "unknown", 8: "drop"}


def test_psocakes_codes_are_the_four_of_the_papers_files(tmp_path):
    path = tmp_path / psocake_file_name("amo06516", 94)
    path.write_text('{"5": "0", "9": "1", "2": "2", "0": "3"}')

    assert path.name == "amo06516_0094.label.json"
    assert read_labels(path, 10) == {
        5: "no-hit",
        9: "single-hit",
        2: "multi-hit",
        0: "unknown",
    }


def test_names_and_their_order_come_back_as_they_were_written(tmp_path):
    write_labels(tmp_path / "a.json", NAMED)

    assert list(read_labels(tmp_path / "a.json", 32).items()) == list(NAMED.items())


def test_what_psocake_does_not_know_is_unknown_there_and_named_in_ours(tmp_path):
    write_labels(tmp_path / "ours.json", NAMED, tmp_path / "theirs.json")

    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert theirs == {"31": "1", "4": "3", "12": "0", "7": "3", "8": "3"}
    assert read_labels(tmp_path / "ours.json", 32)[4] == "non-sample-hit"


def test_every_problem_is_named_at_once(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(
        '{"1": "1", "10": "1", "-1": "1", "x": "2", "3": "4", "4": 1, "5": "",'
        ' "6": {"a": "1"}, "1": "2", "99999999999999999999": "1"}'
    )

    with pytest.raises(DataError) as caught:
        read_labels(path, 10)

    problems = str(caught.value).splitlines()
    assert len(problems) == 9
    assert problems[0] == (
        f"{path}: event 10: does not exist, the run has shots 0 to 9"
    )
    assert "event x: no number of a shot" in problems[2]
    assert "event 3: '4' found, a class or one of \"0\" no-hit" in problems[3]
    assert "event 1: stands twice" in problems[7]


def test_of_very_many_problems_the_first_are_named_and_the_others_counted(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({str(event): "7" for event in range(100)}))

    with pytest.raises(DataError, match="and 80 problems more") as caught:
        read_labels(path, 100)

    assert len(str(caught.value).splitlines()) == 21


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"a"', "3", '[["1", "1"]]'])
def test_what_is_no_map_is_refused(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)

    with pytest.raises(DataError, match=r"bad\.json: "):
        read_labels(tmp_path / "bad.json", 10)


def test_a_file_that_cannot_be_written_leaves_the_old_ones(tmp_path):
    write_labels(tmp_path / "a.json", {1: "single-hit"}, tmp_path / "b.json")

    with pytest.raises(DataError, match="cannot be written"):
        write_labels(tmp_path / "a.json", {}, tmp_path / "missing" / "b.json")

    assert read_labels(tmp_path / "a.json", 2) == {1: "single-hit"}


@pytest.mark.parametrize(
    ("name", "good"),
    [("single-hit", True), ("drop 2", True), ("2", False), ("", False), (1, False)],
)
def test_a_class_is_never_called_like_a_code(name, good):
    assert is_class_name(name) is good
