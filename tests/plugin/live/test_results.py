import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from msgspec.structs import replace

from specklenn.core.data import labelled_dataset
from specklenn.core.errors import DataError
from specklenn.core.rows import FIELDS, empty_rows
from specklenn.plugin.live.report import Report, attach
from specklenn.plugin.live.results import HitsFile, ResultsFile
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.versions import Version

FIRST = Version(
    model="default",
    weights_sha256="0a",
    rule="mean",
    support_version=3,
    support_hash="abc",
)

FACTS = RunFacts(
    experiment="amo",
    run=94,
    classes=("single-hit", "multi-hit", "no-hit", "unknown"),
    support_classes=("single-hit", "multi-hit"),
)


def report(first, number):
    rows = empty_rows(number, 2)
    rows["index"] = np.arange(first, first + number)
    rows["label"] = 1
    rows["score"], rows["photons"] = 0.75, 9
    rows["support_version"], rows["model_version"] = 3, 1
    rows["timestamp_ns"] = 1000 + rows["index"]
    frames = np.arange(2 * 20).reshape(2, 4, 5) + first
    return Report(rows=rows, frames=attach([0, number - 1], frames))


def test_rows_can_be_read_by_another_process_while_the_run_goes_on(tmp_path):
    path = tmp_path / "results.h5"
    results = ResultsFile(path, FACTS, "a: 1\n")
    results.write(report(0, 10))
    results.flush()
    results.write(report(10, 5))

    code = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1], 'r', swmr=True) as f:\n"
        "    print(f['rows']['index'].tolist())"
    )
    read = [sys.executable, "-c", code, str(path)]
    first = subprocess.run(read, capture_output=True, text=True, check=True)
    results.flush()
    second = subprocess.run(read, capture_output=True, text=True, check=True)
    results.close()

    assert json.loads(first.stdout) == list(range(10))
    assert json.loads(second.stdout) == list(range(15))


def test_the_file_says_what_its_codes_and_fields_mean(tmp_path):
    results = ResultsFile(tmp_path / "results.h5", FACTS, "a: 1\n")
    results.write(report(0, 3))
    results.close()

    with h5py.File(tmp_path / "results.h5") as file:
        rows = file["rows"][()]
        assert file.attrs["classes"][rows["label"][0]] == "multi-hit"
        assert list(file.attrs["support_classes"]) == ["single-hit", "multi-hit"]
        assert file.attrs["config"] == "a: 1\n"
        assert set(json.loads(file.attrs["fields"])) == set(rows.dtype.names)
        assert set(FIELDS) == set(rows.dtype.names)


def test_the_counts_of_each_version_are_those_of_its_rows_at_any_time(tmp_path):
    results = ResultsFile(tmp_path / "results.h5", FACTS, "a: 1\n")
    code = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1], 'r', swmr=True) as f:\n"
        "    for item in f['version_counts'][()]: print(*item.tolist())"
    )
    read = [sys.executable, "-c", code, str(tmp_path / "results.h5")]
    found = []
    for first, model in [(0, 1), (10, 2), (20, 1)]:
        made = report(first, 10)
        made.rows["model_version"], made.rows["support_version"] = model, 3
        made.rows["label"][:4], made.rows["flags"][4] = 0, 4
        results.write(made)
        results.flush()
        done = subprocess.run(read, capture_output=True, text=True, check=True)
        found.append(done.stdout.splitlines())
    results.close()

    assert found == [
        ["1 3 0 10 1 [4 5 0 0]"],
        ["1 3 0 10 1 [4 5 0 0]", "2 3 0 10 1 [4 5 0 0]"],
        ["1 3 0 20 2 [ 8 10  0  0]", "2 3 0 10 1 [4 5 0 0]"],
    ]


def test_versions_can_be_read_by_another_process_before_their_rows(tmp_path):
    path = tmp_path / "results.h5"
    results = ResultsFile(path, FACTS, "a: 1\n")
    results.use(FIRST)
    results.write(report(0, 10))
    results.flush()
    results.use(
        replace(
            FIRST,
            number=3,
            model="ä" * 40,
            support_version=4,
            time_ns=5,
            asked_by="ann@node",
            fit_version=2,
            fit_rows=10,
        )
    )

    code = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1], 'r', swmr=True) as f:\n"
        "    for item in f['versions'][()]: print(*item.tolist(), sep='|')"
    )
    read = [sys.executable, "-c", code, str(path)]
    lines = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    results.close()

    short = "ä" * 32
    assert lines.splitlines() == [
        "1|1|b'default'|b'0a'|b'mean'|3|b'abc'|0|b''|0|0",
        f"3|1|{short.encode()}|b'0a'|b'mean'|4|b'abc'|5|b'ann@node'|2|10",
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_hits_are_a_labelled_dataset_with_their_shot_numbers(tmp_path, dtype):
    mask = np.eye(4, 5) > 0
    hits = HitsFile(tmp_path / "hits.cxi", FACTS, (4, 5), mask, dtype)
    hits.use(FIRST)
    for first in (0, 100):
        hits.write(report(first, 7))
    hits.write(Report(rows=empty_rows(2, 2)))
    hits.flush()
    hits.close()

    found = labelled_dataset.read_dataset(tmp_path / "hits.cxi")
    assert found.patterns.dtype == dtype
    with labelled_dataset.LabelledDataset(tmp_path / "hits.cxi") as opened:
        assert opened.in_photons
    np.testing.assert_array_equal(found.mask, mask)
    assert found.labels.tolist() == ["multi-hit"] * 4
    assert found.timestamps_ns.tolist() == [1000, 1006, 1100, 1106]
    np.testing.assert_array_equal(
        found.patterns[2:], np.arange(40).reshape(2, 4, 5) + 100
    )
    with h5py.File(tmp_path / "hits.cxi") as file:
        assert file["/entry_1/event_1/index"][()].tolist() == [0, 6, 100, 106]
        np.testing.assert_allclose(file["/entry_1/result_1/score"], 0.75)
        np.testing.assert_allclose(file["/entry_1/result_1/photons"], 9)
        assert file["/entry_1/result_1/support_version"][()].tolist() == [3] * 4
        assert file["/entry_1/result_1/model_version"][()].tolist() == [1] * 4
        assert file["versions"][0]["support_hash"] == b"abc"
        assert (file.attrs["experiment"], file.attrs["run"]) == ("amo", 94)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_hits_are_compressed_whatever_their_type(tmp_path, dtype):
    side = 256
    hits = HitsFile(tmp_path / "hits.cxi", FACTS, (side, side), None, dtype)
    photons = np.random.default_rng(0).poisson(0.5, (8, side, side)).astype(dtype)
    hits.write(Report(rows=report(0, 8).rows, frames=attach(range(8), photons)))
    hits.close()

    with h5py.File(tmp_path / "hits.cxi") as file:
        data = file[labelled_dataset.DATA]
        assert data.id.get_storage_size() < data.nbytes / 3
        np.testing.assert_array_equal(data, photons)


def test_hits_can_be_read_by_another_process_while_the_run_goes_on(tmp_path):
    hits = HitsFile(tmp_path / "hits.cxi", FACTS, (4, 5), None)
    hits.use(FIRST)
    hits.write(report(0, 10))
    hits.flush()
    code = (
        "import sys; from specklenn.core.data.labelled_dataset import LabelledDataset\n"
        "with LabelledDataset(sys.argv[1]) as file:\n"
        "    print(len(file), file.labels.tolist(), file.frames().sum())"
    )
    read = [sys.executable, "-c", code, str(tmp_path / "hits.cxi")]

    shown = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    hits.close()

    assert shown == "2 ['multi-hit', 'multi-hit'] 780.0\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        ResultsFile(tmp_path / "no" / "results.h5", FACTS, "")
