import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from msgspec.structs import replace

from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.core.results import open_results
from specklenn.core.rows import NO_TIME, empty_rows
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.results import ResultsFile
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.versions import Version

FIRST = Version(
    model="default",
    weights_sha256="0a",
    rule="mean",
    support_version=3,
    support_hash="abc",
    time_ns=1_700_000_000_000_000_001,
)

FACTS = RunFacts(
    experiment="amo",
    run=94,
    classes=("single-hit", "multi-hit", "no-hit", "unknown"),
    support_classes=("single-hit", "multi-hit"),
)


def rows_of(shots, **fields):
    rows = empty_rows(len(shots), 2)
    rows["index"] = shots
    rows["support_version"], rows["model_version"] = 3, 1
    rows["label"] = 0
    for name, values in fields.items():
        rows[name] = values
    return rows


@pytest.fixture
def written(tmp_path):
    """Write rows into results, and versions where they come; returns the path."""

    def write(*parts, close=True):
        results = ResultsFile(tmp_path / "results.h5", FACTS, "a: 1\n")
        for part in parts:
            if isinstance(part, Version):
                results.use(part)
            else:
                results.write(Report(rows=part))
        results.flush()
        if close:
            results.close()
        return tmp_path / "results.h5"

    return write


def test_rows_come_in_the_order_of_the_shots_with_names_for_codes(written):
    path = written(
        FIRST,
        rows_of([7, 5], label=[1, 0], score=[0.75, 0.5], distances=[[1, 2], [3, 4]]),
        rows_of([4, 6], label=[3, 2], flags=[Flag.REJECTED | Flag.FAR, Flag.NO_HIT]),
    )

    results = open_results(path)

    table = results.table
    assert table["shot"].tolist() == [4, 5, 6, 7]
    assert table["label"].tolist() == ["unknown", "single-hit", "no-hit", "multi-hit"]
    assert table["flags"].tolist() == ["rejected, far", "", "no-hit", ""]
    assert table["truth"].tolist() == [""] * 4
    assert table["distance multi-hit"][[1, 3]].tolist() == [4, 2]
    assert (results.experiment, results.run) == ("amo", 94)
    assert (results.config, results.closed) == ("a: 1\n", True)


def test_times_are_times_and_those_not_known_are_none(written):
    path = written(
        rows_of(
            [0, 1], timestamp_ns=[1_700_000_000_000_000_001, NO_TIME], arrived_ns=[1, 2]
        )
    )

    found = open_results(path).table

    assert found["time"].dtype == "M8[ns]"
    assert str(found["time"][0]) == "2023-11-14T22:13:20.000000001"
    assert np.isnat(found["time"]).tolist() == [False, True]
    assert not np.isnat(found["arrived"]).any()


def test_a_time_of_0_in_results_of_before_is_none(written):
    path = written(rows_of([0, 1]))
    with h5py.File(path, "r+") as file:
        rows = file["rows"][()]
        fields = [
            (name, "<u8" if name == "timestamp_ns" else kind, *shape)
            for name, kind, *shape in rows.dtype.descr
        ]
        unsigned = np.zeros(2, fields)
        for name in {*rows.dtype.names} - {"timestamp_ns"}:
            unsigned[name] = rows[name]
        unsigned["timestamp_ns"] = [0, 7]
        del file["rows"]
        file["rows"] = unsigned

    assert np.isnat(open_results(path).table["time"]).tolist() == [True, False]


def test_skipped_shots_say_why_and_have_no_class(written):
    flags = [Flag.UNREADABLE, Flag.NOT_FINITE, 0]
    path = written(rows_of([0, 1, 2], flags=flags, label=[-1, -1, 0]))

    found = open_results(path).table

    assert found["reason"].tolist() == ["unreadable", "NaN or absurd pixels", ""]
    assert found["label"].tolist() == ["", "", "single-hit"]


def test_every_row_says_which_model_and_supports_classified_it(written):
    second = replace(
        FIRST, number=2, model="adapted", model_version=2, support_hash="ä" * 9
    )
    path = written(
        FIRST,
        rows_of([0, 3]),
        second,
        rows_of([2, 1], model_version=2),
        replace(FIRST, number=3),
        rows_of([4], model_version=9),
        rows_of([5]),
    )

    results = open_results(path)

    assert results.table["model"].tolist() == [
        "default",
        "adapted",
        "adapted",
        "default",
        "",
        "default",
    ]
    assert results.version_of_rows.tolist() == [0, 1, 1, 0, -1, 0]
    assert results.table["support_hash"][1] == "ä" * 8  # as many as there is room for
    assert results.versions["number"].tolist() == [1, 2, 3]
    assert str(results.versions["time"][0]) == "2023-11-14T22:13:20.000000001"


def test_a_run_without_shots_yet_has_all_columns_and_no_rows(written):
    path = written(FIRST)

    results = open_results(path)

    assert len(results) == len(results.table["label"]) == 0
    assert {"shot", "label", "time", "reason", "model"} <= set(results.table.names)
    assert str(results)


def test_it_is_read_while_its_run_goes_on_and_again_later(written, tmp_path):
    results = ResultsFile(tmp_path / "results.h5", FACTS, "a: 1\n")
    results.write(Report(rows=rows_of([1, 0])))
    results.flush()
    code = (
        "import sys; from specklenn.core.results import open_results\n"
        "found = open_results(sys.argv[1])\n"
        "print(found.closed, found.table['shot'].tolist())"
    )
    read = [sys.executable, "-c", code, str(tmp_path)]

    first = subprocess.run(read, capture_output=True, text=True, check=True)
    results.write(Report(rows=rows_of([2])))
    results.flush()
    second = subprocess.run(read, capture_output=True, text=True, check=True)
    results.close()
    third = subprocess.run(read, capture_output=True, text=True, check=True)

    assert first.stdout == "False [0, 1]\n"
    assert second.stdout == "False [0, 1, 2]\n"
    assert third.stdout == "True [0, 1, 2]\n"


KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[2])
from test_results import FACTS, FIRST, rows_of, Report, ResultsFile
results = ResultsFile(pathlib.Path(sys.argv[1]), FACTS, "a: 1")
results.use(FIRST)
results.write(Report(rows=rows_of([1, 0])))
results.flush()
results.write(Report(rows=rows_of([2])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_has_flushed_is_read(tmp_path):
    path = tmp_path / "results.h5"
    words = [sys.executable, "-c", KILLED, str(path), os.path.dirname(__file__)]
    assert subprocess.run(words).returncode == -signal.SIGKILL
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path, "r")

    results = open_results(path)

    assert results.table["shot"].tolist() == [0, 1]
    assert results.table["model"].tolist() == ["default", "default"]
    assert not results.closed


def test_a_file_that_is_not_whole_is_told_with_what_there_is_to_do(written):
    path = written(rows_of(range(1000)))
    whole = path.read_bytes()
    for kept in (0, 1000, len(whole) // 2):
        path.write_bytes(whole[:kept])
        with pytest.raises(DataError, match=r"results\.h5: .*copy it again") as refused:
            open_results(path)
        assert "\n" not in str(refused.value)


def test_files_of_something_else_are_refused_in_one_sentence(run_folder, tmp_path):
    with pytest.raises(DataError, match=r"run\.cxi: no results of a run"):
        open_results(run_folder.path / "run.cxi")
    with pytest.raises(DataError, match=r"results\.h5: no such file"):
        open_results(tmp_path)


def test_fields_of_another_version_are_columns_as_they_are(written):
    path = written(rows_of([1, 0]))
    with h5py.File(path, "r+") as file:
        rows = file["rows"][()]
        added = np.zeros(2, [*rows.dtype.descr, ("novelty", "f4")])
        for name in rows.dtype.names:
            added[name] = rows[name]
        added["novelty"] = [0.25, 0.5]
        del file["rows"], file["versions"]
        file["rows"] = added

    table = open_results(path).table

    assert table["novelty"].tolist() == [0.5, 0.25]
    assert "model" not in table.names


def test_pandas_gets_shots_as_index(written):
    pytest.importorskip("pandas")
    path = written(FIRST, rows_of([1, 0], label=[0, 1], timestamp_ns=[0, 5]))

    frame = open_results(path).to_pandas()

    assert frame.index.tolist() == [0, 1]
    assert frame["label"].tolist() == ["multi-hit", "single-hit"]
    assert frame["time"].isna().tolist() == [False, True]


def test_the_table_needs_no_pandas(written):
    path = written(rows_of([0]))
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from specklenn.core.results import open_results\n"
        "print(open_results(sys.argv[1]).table['label'])"
    )
    words = [sys.executable, "-c", code, str(path)]

    assert (
        subprocess.run(words, capture_output=True, text=True).stdout
        == "['single-hit']\n"
    )
