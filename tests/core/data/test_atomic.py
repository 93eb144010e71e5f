import pytest

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import DataError


def test_files_take_their_places_together(tmp_path):
    one, other = tmp_path / "new" / "a", tmp_path / "new" / "b"

    with replacing(one, other) as (first, second):
        first.write_text("1")
        second.write_text("2")
        assert not one.exists()

    assert (one.read_text(), other.read_text()) == ("1", "2")
    assert sorted(one.parent.iterdir()) == [one, other]


def fill(files):
    """Write to the first; the second has no place to be."""
    with replacing(*files) as (first, second):
        first.write_text("1")
        (second / "inside").write_text("2")


def test_if_one_cannot_be_written_older_ones_stay(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_text("old")

    with pytest.raises(DataError, match=r"a: cannot be written: no such file"):
        fill([one, other])

    assert one.read_text() == "old"
    assert list(tmp_path.iterdir()) == [one]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(DataError, match=r"file.a: cannot be written"),
        replacing(tmp_path / "file" / "a"),
    ):
        pass
