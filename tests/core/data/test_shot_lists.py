import pytest

from specklenn.core.data.shot_lists import read_list
from specklenn.core.errors import DataError


@pytest.fixture
def listed(tmp_path):
    """Read a list of these lines; returns files by name and their events."""

    def read(*lines):
        (tmp_path / "shots.lst").write_text("\n".join(lines) + "\n")
        found = read_list(tmp_path / "shots.lst")
        return [(each.file.relative_to(tmp_path), each.events) for each in found]

    return lambda *lines: [(str(file), events) for file, events in read(*lines)]


@pytest.fixture(autouse=True)
def files(tmp_path):
    for name in ("a.h5", "b.cxi", "of two words.h5"):
        (tmp_path / name).touch()


def test_a_line_is_a_file_or_a_shot_of_one(listed):
    assert listed("a.h5", "b.cxi //3", "b.cxi   //12") == [
        ("a.h5", None),
        ("b.cxi", (3, 12)),
    ]


def test_the_order_of_the_lines_is_kept(listed):
    assert listed("a.h5 //5", "a.h5 //2", "b.cxi //0", "a.h5 //7") == [
        ("a.h5", (5, 2)),
        ("b.cxi", (0,)),
        ("a.h5", (7,)),
    ]


def test_empty_lines_comments_and_names_of_several_words_are_allowed(listed):
    assert listed("", "# hits of run 4", "of two words.h5 //1", "  a.h5  ") == [
        ("of two words.h5", (1,)),
        ("a.h5", None),
    ]


def test_names_start_from_the_folder_of_the_list_else_from_the_current_one(
    tmp_path, monkeypatch
):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "x.lst").write_text("a.h5\nhere.h5\n")
    (tmp_path / "lists" / "here.h5").touch()
    monkeypatch.chdir(tmp_path)

    first, second = read_list(tmp_path / "lists" / "x.lst")

    assert first.file.resolve() == tmp_path / "a.h5"
    assert second.file.resolve() == tmp_path / "lists" / "here.h5"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], "shots.lst: no file found, one a line expected"),
        (["a.h5", "a.h5"], "shots.lst:2: the same as line 1"),
        (["a.h5 //1", "b.cxi //1", "a.h5 //1"], "shots.lst:3: the same as line 1"),
        (["a.h5 //one"], "shots.lst:1: event //one found, //NUMBER of a shot expected"),
        (["a.h5 panel//3/4"], "shots.lst:1: event panel//3/4 found"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(listed, lines, words):
    with pytest.raises(DataError) as caught:
        listed(*lines)

    assert words in str(caught.value)


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no\.lst: no such file"):
        read_list(tmp_path / "no.lst")
    (tmp_path / "binary.lst").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.lst: no text"):
        read_list(tmp_path / "binary.lst")
