import sys

import numpy as np
import pytest

from specklenn.core.errors import MissingPackageError
from specklenn.core.table import Table


@pytest.fixture
def table():
    return Table(
        {
            "shot": np.arange(30),
            "label": np.array(["single-hit", "no-hit", ""] * 10),
            "score": np.linspace(0, 1, 30, dtype=np.float32),
            "time": np.array(["2026-01-02T03:04:05", "NaT", "NaT"] * 10, "M8[ns]"),
        }
    )


def test_columns_are_had_by_name_and_rows_by_a_condition(table):
    chosen = table[(table["label"] == "single-hit") & (table["score"] > 0.5)]

    assert chosen["shot"].tolist() == [15, 18, 21, 24, 27]
    assert table[[4, 2]]["shot"].tolist() == [4, 2]
    assert len(table[:7]) == 7
    assert table.names == ("shot", "label", "score", "time")


def test_a_column_that_is_not_there_is_answered_with_those_that_are(table):
    with pytest.raises(KeyError, match="no column 'labels'; columns: shot, label"):
        table["labels"]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"'b': 2.* found"):
        Table({"a": np.zeros(3), "b": np.zeros(2)})


def test_it_prints_the_first_rows_and_how_many_are_left(table):
    lines = str(table).splitlines()

    assert lines[0].split() == ["shot", "label", "score", "time"]
    assert lines[1].split()[:3] == ["0", "single-hit", "0"]
    assert lines[-1] == "... and 20 more rows"
    assert str(Table({})) == "no columns"


def test_pandas_gets_the_columns_and_the_index(table):
    pandas = pytest.importorskip("pandas")

    frame = table.to_pandas("shot")

    assert frame.index.tolist() == list(range(30))
    assert frame["time"].isna().sum() == 20
    assert frame.groupby("label")["score"].count()["no-hit"] == 10
    assert isinstance(table.to_pandas(), pandas.DataFrame)


def test_without_pandas_a_sentence_says_how_to_get_it(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(
        MissingPackageError, match=r"needs pandas; .*pip install pandas"
    ):
        table.to_pandas()
