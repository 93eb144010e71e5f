import argparse

import numpy as np
import pytest

from specklenn.plugin.commands import show
from specklenn.plugin.commands.show import events

pytest.importorskip("matplotlib")


@pytest.fixture
def there(run_folder, monkeypatch, tmp_path):
    """A labelled run; pictures go into an empty folder."""
    monkeypatch.chdir(tmp_path)
    return run_folder.path / "run.cxi"


def test_a_file_is_told_and_drawn_into_the_current_folder(there, tmp_path, capsys):
    assert show.main([str(there)]) == 0

    told = capsys.readouterr().out
    assert f"{there}: labelled dataset" in told
    assert "600 x 100 x 100 uint16" in told
    assert "25.00 %" in told
    assert "wrote run-show.png: 32 shots, examples" in told
    assert [path.name for path in tmp_path.iterdir()] == ["run-show.png"]


def test_shots_can_be_named_and_the_picture_too(there, tmp_path, capsys):
    words = ["--events", "3,10-12,3", "-o", "a.png"]

    assert show.main([str(there), *words]) == 0

    assert "wrote a.png: 4 shots, chosen shots" in capsys.readouterr().out
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_file_can_be_told_and_not_drawn(there, tmp_path, capsys):
    assert show.main([str(there), "--no-picture"]) == 0

    assert "600, numbers 0 to 599" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_numbers_and_ranges_are_read_each_once():
    assert events("3,10-12,11") == (3, 10, 11, 12)
    assert events(" 7 , 8 - 9") == (7, 8, 9)


@pytest.mark.parametrize("text", ["", "a", "3-1", "-4", "1,,2", "0-999999999999"])
def test_what_is_no_number_and_no_range_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a number or a range"):
        events(text)


def test_the_help_teaches_with_examples_that_parse(capsys):
    with pytest.raises(SystemExit):
        show.main(["--help"])

    lines = capsys.readouterr().out.splitlines()
    examples = [
        line.split("   ")[0] for line in lines if line.startswith("  specklenn")
    ]
    assert len(examples) >= 5
    for example in examples:
        assert show._parser().parse_args(example.split()[2:]).file.name


def test_mean_scores_are_told_where_there_are_scores(tmp_path, capsys, monkeypatch):
    import h5py

    monkeypatch.chdir(tmp_path)
    with h5py.File("hits.cxi", "w") as file:
        file["/entry_1/data_1/data"] = np.ones((3, 20, 20), np.uint16)
        file["/entry_1/result_1/label"] = np.array([b"ice", b"ice", b"mud"])
        file["/entry_1/result_1/score"] = np.array([0.5, 1.0, np.nan])
        file["/entry_1/event_1/index"] = [7, 9, 11]

    assert show.main(["hits.cxi", "--no-picture"]) == 0

    told = capsys.readouterr().out
    assert "mean score" in told
    assert "0.750" in told
    assert "numbers 7 to 11" in told
