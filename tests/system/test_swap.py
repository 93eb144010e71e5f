"""``specklenn swap`` as a user gives it, to a run on real MPI ranks."""

import signal

import h5py
import numpy as np
import pytest
import zmq

from specklenn.core.classify import Classifier
from specklenn.core.data import labelled_dataset
from specklenn.core.network import checkpoint
from specklenn.core.preprocess import Preprocessor
from specklenn.core.support import load_supports
from specklenn.plugin import packaged_configs
from specklenn.plugin.commands.demo import free_port

CONFIG = """\
run: {{experiment: live}}
source:
  kind: simulated
  rate_Hz: 40
  duration_s: 300
  buffer_shots: 100000
  experiment:
    procedural: {{count: 1, seed: 5, atoms: [10000, 12000]}}
    fractions: {{no-hit: 0.4, single-hit: 0.6}}
    pool: 4
publish: {{enabled: false}}
control: {{endpoint: "tcp://127.0.0.1:{port}"}}
support: {{file: {support}/demo.yaml}}
model: {{weights: {weights}}}
classify: {{reject_above_distance: off, reject_below_score: off}}
output: {{folder: o, save_classes: [single-hit, multi-hit, non-sample-hit]}}
"""
FEWER = """\
version: 1
classes:
  non-sample-hit: [{{file: {support}/demo.h5, events: [11, 12]}}]
  multi-hit: [{{file: {support}/demo.h5, events: [6, 7]}}]
  single-hit: [{{file: {support}/demo.h5, events: [1, 2]}}]
"""
CLASSES = ("single-hit", "multi-hit", "non-sample-hit")
WORKERS = 2


@pytest.fixture(scope="module")
def folder(run_folder, tmp_path_factory):
    """A configuration, supports to swap to, and the endpoint of the run."""
    made = tmp_path_factory.mktemp("swap")
    support, port = packaged_configs.folder() / "support", free_port()
    weights = run_folder.path / "w.safetensors"
    text = CONFIG.format(port=port, support=support, weights=weights)
    (made / "live.yaml").write_text(text)
    (made / "fewer.yaml").write_text(FEWER.format(support=support))
    return made, f"tcp://127.0.0.1:{port}", weights


@pytest.fixture(scope="module")
def swapped(folder, run_folder, command, count_rows, wait_for_rows):
    """A live run that was given supports, a model, and both back."""
    made, endpoint, _ = folder
    results = made / "o/results.h5"
    process = command(
        "run",
        "live.yaml",
        "--allow-control",
        "--quiet",
        ranks=WORKERS + 1,
        start=True,
        cwd=made,
        stdout=-1,
        stderr=-1,
    )
    said = {}
    try:
        for name, words in {
            "status": ["--status"],
            "supports": ["--support", "fewer.yaml"],
            "misfit": ["--support", run_folder.path / "support.yaml"],
            "model": ["--weights", "default"],
            "back": ["--back"],
            "back again": ["--back"],
        }.items():
            wait_for_rows(results, count_rows(results) + 40)
            said[name] = command(
                "swap", "--endpoint", endpoint, *words, cwd=made, timeout=60
            )
        wait_for_rows(results, count_rows(results) + 40)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    return said


@pytest.fixture(scope="module")
def rows(swapped, folder):
    with h5py.File(folder[0] / "o/results.h5") as file:
        return np.sort(file["rows"][()], order="index")


@pytest.fixture(scope="module")
def versions(swapped, folder):
    with h5py.File(folder[0] / "o/results.h5") as file:
        return file["versions"][()]


@pytest.mark.mpi
def test_every_swap_is_done_on_all_ranks_and_a_misfit_is_refused(swapped):
    codes = {name: done.returncode for name, done in swapped.items()}

    assert codes == {**dict.fromkeys(swapped, 0), "misfit": 1}, swapped
    for name in ("supports", "model", "back", "back again"):
        assert "in use on 2 of 2 ranks after" in swapped[name].stdout
    assert "they are version 2" in swapped["supports"].stdout
    assert "model v2 default" in swapped["model"].stdout
    assert "supports of shape (100, 100) found" in swapped["misfit"].stderr


@pytest.mark.mpi
def test_no_shot_is_lost_or_doubled_by_swaps(rows):
    for rank in range(1, WORKERS + 1):
        index = rows["index"][rows["rank"] == rank]
        assert index.tolist() == list(range(index[0], index[-1] + 1, WORKERS))
        assert index[0] < WORKERS


@pytest.mark.mpi
def test_every_row_says_what_judged_it_and_the_table_knows_it(rows, versions):
    pair = ["model_version", "support_version"]
    table, found = versions[pair].tolist(), set(rows[pair].tolist())

    assert table == [(1, 1), (1, 2), (2, 2), (1, 2), (1, 1)]
    assert found == set(table)
    assert versions["model"].tolist() == [
        b"untrained",
        b"untrained",
        b"default",
        b"untrained",
        b"untrained",
    ]
    assert (np.diff(versions["time_ns"].astype(np.int64)) > 0).all()
    assert all(b"@" in name for name in versions["asked_by"][1:])


@pytest.mark.mpi
def test_the_counts_of_each_version_are_those_of_its_rows(rows, folder):
    pair = ["model_version", "support_version"]
    with h5py.File(folder[0] / "o/results.h5") as file:
        counts = file["version_counts"][()]

    assert len(counts) == len(np.unique(rows[pair]))
    for count in counts:
        mine = rows[rows[pair] == count[pair]]
        labels = mine["label"][mine["label"] >= 0]
        assert count["shots"] == len(mine)
        assert count["counts"].tolist() == np.bincount(labels, minlength=5).tolist()


@pytest.mark.mpi
def test_rows_equal_those_of_classifiers_made_from_the_files(rows, folder):
    made, _, weights = folder
    hits = labelled_dataset.read_dataset(made / "o/hits.cxi")
    with h5py.File(made / "o/hits.cxi") as file:
        index = file["/entry_1/event_1/index"][()]
    saved = rows[np.searchsorted(rows["index"], index)]
    demo = load_supports(packaged_configs.folder() / "support/demo.yaml")
    fewer = load_supports(made / "fewer.yaml")

    for pair, name, supports in (
        ((1, 1), weights, demo),
        ((1, 2), weights, fewer),
        ((2, 2), "default", fewer),
    ):
        model = checkpoint.load(name)
        preprocessor = Preprocessor(model.preprocessing, supports.shape, hits.mask)
        mine = (saved["model_version"] == pair[0]) & (
            saved["support_version"] == pair[1]
        )
        classifier = Classifier(model, supports, preprocessor)
        found = classifier.classify(hits.patterns[mine])
        order = [supports.classes.index(name) for name in CLASSES]
        assert mine.sum() > 5
        np.testing.assert_allclose(
            saved["distances"][mine], found.distances[:, order], atol=1e-4
        )


@pytest.mark.mpi
def test_the_log_says_who_asked_for_what(swapped, folder):
    log = (folder[0] / "o/run.log").read_text()

    assert log.count("asked to swap supports") == 2
    assert log.count("asked to back: done on 2 of 2 ranks") == 2
    assert "refused: supports of shape (100, 100) found" in log


@pytest.mark.mpi
def test_a_run_that_was_not_started_for_it_takes_no_orders(run_folder, command):
    endpoint = f"tcp://127.0.0.1:{free_port()}"

    done = command("swap", "--endpoint", endpoint, "--status")

    assert done.returncode == 1
    assert "was it started with --allow-control?" in done.stderr


@pytest.mark.mpi
def test_an_endpoint_in_use_ends_all_ranks_before_the_start(
    run_folder, command, tmp_path
):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        done = command(
            "run",
            run_folder.config,
            "--allow-control",
            "--set",
            f"control.endpoint=tcp://127.0.0.1:{port}",
            "--set",
            f"output.folder={tmp_path}/o",
            ranks=3,
        )

    assert done.returncode == 2
    assert done.stderr.count("does another run accept requests there?") == 1
