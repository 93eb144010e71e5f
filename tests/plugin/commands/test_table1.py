"""``specklenn table1`` on a few shots of simulated viruses."""

import json

import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands import simulate, table1


@pytest.fixture(scope="module")
def virus(tmp_path_factory):
    """Twelve shots of each class: their file."""
    path = tmp_path_factory.mktemp("table") / "virus.h5"
    words = ["simulate_virus", "-o", str(path), "--per-class", "12"]
    assert simulate.main([*words, "--processes", "1"]) == 0
    return path


def test_every_recipe_is_measured_on_both_areas(virus, tmp_path, capsys):
    table = tmp_path / "table.json"
    words = [str(virus), "--labels", "6", "--draws", "1", "--steps", "1"]

    assert table1.main([*words, "--json", str(table)]) == 0

    said = capsys.readouterr().out
    cells = json.loads(table.read_text())
    assert {(cell["method"], cell["area"]) for cell in cells} == {
        (method, area)
        for method in (
            "default, no training",
            "default, adapted",
            "paper's online training",
            "Shi et al. (2019)",
        )
        for area in ("whole", "quadrant 0")
    }
    assert all(0 <= cell["accuracy"] <= 1 for cell in cells)
    assert "quadrant 0" in said


def test_rows_that_do_not_exist_are_refused(virus):
    with pytest.raises(ConfigError, match="--recipes: svm found, some of supports"):
        table1.main([str(virus), "--recipes", "svm"])


def test_too_few_shots_are_refused(virus):
    with pytest.raises(DataError, match="12 shots of one class, more than 60"):
        table1.main([str(virus)])
