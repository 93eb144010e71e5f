import json

import pytest

from specklenn.core.errors import DataError
from specklenn.core.labelling.label_file import (
    is_class_name,
    is_coded,
    label_file_name,
    psocake_file_name,
    read_labels,
    write_labels,
)

NAMED = {31: "single-hit", 4: "non-sample-hit", 12: "no-hit", 7: "unknown", 8: "drop"}


def test_the_authors_codes_are_those_of_the_papers_files(tmp_path, run_of):
    path = tmp_path / psocake_file_name("amo06516", 94)
    path.write_text('{"5": "0", "9": "1", "2": "2", "0": "3", "8": "4", "7": "9"}')

    read = read_labels(path, run_of(10))

    assert path.name == "amo06516_0094.label.json"
    assert read.coded
    assert read.labels == {
        5: "non-sample-hit",
        9: "single-hit",
        2: "multi-hit",
        0: "unknown",
        8: "needs-help",
        7: "no-hit",
    }


def test_another_table_gives_the_codes_another_meaning(tmp_path, run_of):
    codes = {"0": "no-hit", "1": "single-hit", "12": "droplet"}
    path = tmp_path / "x.label.json"
    path.write_text('{"5": "0", "9": "12"}')

    assert read_labels(path, run_of(10), codes).labels == {5: "no-hit", 9: "droplet"}
    with pytest.raises(DataError, match="event 9: '12' found"):
        read_labels(path, run_of(10))

    write_labels(
        tmp_path / "y.labels.json",
        {1: "droplet", 2: "?"},
        run_of(10).identity,
        path,
        codes,
    )
    assert json.loads(path.read_text()) == {"1": "12"}


def test_names_and_their_order_come_back_as_they_were_written(tmp_path, run_of):
    data = run_of(32)
    write_labels(tmp_path / "a.json", NAMED, data.identity)

    read = read_labels(tmp_path / "a.json", data)

    assert list(read.labels.items()) == list(NAMED.items())
    assert (read.belongs_to, read.coded, read.note) == (data.identity, False, "")


def test_what_has_no_code_is_unknown_to_psocake_and_named_in_ours(tmp_path, run_of):
    data = run_of(32)
    write_labels(tmp_path / "ours.json", NAMED, data.identity, tmp_path / "theirs.json")

    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert theirs == {"31": "1", "4": "0", "12": "9", "7": "3", "8": "3"}
    assert read_labels(tmp_path / "ours.json", data).labels[8] == "drop"


def test_labels_of_other_data_are_refused(tmp_path, run_of):
    path = tmp_path / "hits.labels.json"
    one = run_of(32, seed=1, path=tmp_path / "r0001/hits.cxi")
    other = run_of(32, seed=2, path=tmp_path / "r0002/hits.cxi")
    write_labels(path, NAMED, one.identity)

    with pytest.raises(DataError) as caught:
        read_labels(path, other)

    assert str(caught.value) == (
        f"{path}: labels of {one.path}, labels of {other.path} expected: shot 0 is "
        "another frame there"
    )


def test_labels_by_name_without_their_origin_go_with_the_name_of_the_data(
    tmp_path, run_of
):
    data = run_of(32, path=tmp_path / "hits.cxi")
    for name in (label_file_name(data.path), "other.labels.json"):
        (tmp_path / name).write_text('{"3": "single-hit"}')

    read = read_labels(tmp_path / "hits.labels.json", data)

    assert read.labels == {3: "single-hit"}
    assert read.note == (
        f"{tmp_path}/hits.labels.json: does not say to which data it belongs; taken "
        f"for {data.path}"
    )
    with pytest.raises(DataError, match=r"if they are of .* call the file hits.labels"):
        read_labels(tmp_path / "other.labels.json", data)


def test_a_file_of_codes_is_known_by_its_content(tmp_path):
    for name, text in (("a", '{"1": "4"}'), ("b", '{"1": "drop"}'), ("c", "{}")):
        (tmp_path / name).write_text(text)

    assert [is_coded(tmp_path / name) for name in "abcd"] == [True, False, False, False]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"path": "a", "bytes": 1}, "data.shots: Field required"),
        ({"path": "a", "bytes": 1, "shots": 3, "frames": {"x": ""}}, "data.frames"),
        ({"path": [3], "bytes": 1, "shots": 3}, "data.path"),
        ([], "data.path: Field required"),
    ],
)
def test_an_origin_that_is_none_is_refused(tmp_path, run_of, data, words):
    path = tmp_path / "run.labels.json"
    path.write_text(json.dumps({"data": data, "labels": {"1": "single-hit"}}))

    with pytest.raises(DataError, match=words):
        read_labels(path, run_of(10))


def test_every_problem_is_named_at_once(tmp_path, run_of):
    path = tmp_path / "run.labels.json"
    path.write_text(
        '{"1": "1", "10": "1", "-1": "1", "x": "2", "3": "5", "4": 1, "5": "",'
        ' "6": {"a": "1"}, "1": "2", "99999999999999999999": "1"}'
    )

    with pytest.raises(DataError) as caught:
        read_labels(path, run_of(10))

    problems = str(caught.value).splitlines()
    assert len(problems) == 9
    assert problems[0] == (
        f"{path}: event 10: does not exist, the run has shots 0 to 9"
    )
    assert "event x: no number of a shot" in problems[2]
    assert "event 3: '5' found, a class or one of \"0\" non-sample-hit" in problems[3]
    assert "event 1: stands twice" in problems[7]


def test_of_very_many_problems_the_first_are_named_and_the_others_counted(
    tmp_path, run_of
):
    path = tmp_path / "run.labels.json"
    path.write_text(json.dumps({str(event): "7" for event in range(100)}))

    with pytest.raises(DataError, match="and 80 problems more") as caught:
        read_labels(path, run_of(100))

    assert len(str(caught.value).splitlines()) == 21


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"a"', "3", '[["1", "1"]]'])
def test_what_is_no_map_is_refused(tmp_path, run_of, text):
    (tmp_path / "bad.json").write_text(text)

    with pytest.raises(DataError, match=r"bad\.json: "):
        read_labels(tmp_path / "bad.json", run_of(10))


def test_a_file_that_cannot_be_written_leaves_the_old_ones(tmp_path, run_of):
    data = run_of(2)
    path = tmp_path / "a.json"
    write_labels(path, {1: "single-hit"}, data.identity, tmp_path / "b.json")

    with pytest.raises(DataError, match="cannot be written"):
        write_labels(path, {}, data.identity, tmp_path / "missing" / "b.json")

    assert read_labels(path, data).labels == {1: "single-hit"}


@pytest.mark.parametrize(
    ("name", "good"),
    [("single-hit", True), ("drop 2", True), ("2", False), ("", False), (1, False)],
)
def test_a_class_is_never_called_like_a_code(name, good):
    assert is_class_name(name) is good
