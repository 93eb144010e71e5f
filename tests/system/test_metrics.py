"""Prometheus's numbers of real runs, against what the runs leave in results.h5."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import h5py
import numpy as np
import pytest

from specklenn.core.flags import count_reasons
from specklenn.plugin import packaged_configs
from specklenn.plugin.commands.demo import free_port

LIVE = """\
run: {{experiment: live, number: 5}}
source:
  kind: simulated
  rate_Hz: 40
  duration_s: 10
  experiment:
    procedural: {{count: 1, seed: 5, atoms: [10000, 12000]}}
    fractions: {{no-hit: 0.5, single-hit: 0.5}}
    pool: 4
publish: {{enabled: false}}
metrics: {{enabled: true, port: {port}, last_scrape_s: 120}}
support: {{file: {support}/demo.yaml}}
model: {{weights: {weights}}}
output: {{folder: o}}
"""


def scraped(port):
    """Values of a scrape by name and label values; None while nobody answers."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        address = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped_when(port, process, ready):
    """Scrape until a scrape is what a test waits for."""
    deadline = time.monotonic() + 200
    while not (ready(found := scraped(port) or {})):
        assert time.monotonic() < deadline, found
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return found


@pytest.mark.hosts
@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 3])
def test_scrapes_during_and_after_a_run_are_what_it_counts(
    run_folder, command, tmp_path, ranks
):
    pytest.importorskip("prometheus_client")
    port = free_port()
    text = LIVE.format(
        port=port,
        support=packaged_configs.folder() / "support",
        weights=run_folder.path / "w.safetensors",
    )
    (tmp_path / "live.yaml").write_text(text)
    process = command(
        "run",
        "live.yaml",
        ranks=ranks,
        start=True,
        cwd=tmp_path,
        stdout=-1,
        stderr=-1,
    )
    try:
        during = scraped_when(
            port, process, lambda found: found.get(("specklenn_shots_total",), 0) > 20
        )
        last = scraped_when(
            port, process, lambda found: found.get(("specklenn_run_state", "finished"))
        )
        _, problems = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 0, problems
    assert during["specklenn_run_state", "running"] == 1
    assert during["specklenn_shots_total",] <= last["specklenn_shots_total",]
    with h5py.File(tmp_path / "o/results.h5") as file:
        rows, classes = file["rows"][()], list(file.attrs["classes"])
    expected = {
        ("specklenn_shots_total",): len(rows),
        ("specklenn_missed_shots_total",): 400 - len(rows),
        ("specklenn_expected_shots",): 400,
        ("specklenn_ranks_alive",): (ranks or 2) - 1,
        ("specklenn_ranks_failed",): 0,
        ("specklenn_latency_seconds_bucket", "+Inf"): len(rows),
    }
    for code, name in enumerate(classes):
        expected["specklenn_class_shots_total", name] = np.sum(rows["label"] == code)
    for reason, number in count_reasons(rows["flags"]).items():
        expected["specklenn_skipped_shots_total", reason] = number
    host = socket.gethostname().split(".")[0]
    for rank in np.unique(rows["rank"]):
        key = ("specklenn_rank_shots_total", host, str(rank))
        expected[key] = np.sum(rows["rank"] == rank)
    assert {key: last.get(key) for key in expected} == expected
    for key, count in last.items():
        if key[0] == "specklenn_latency_seconds_bucket":
            assert count == np.sum(rows["latency_ms"] < 1000 * float(key[1])), key


@pytest.mark.hosts
def test_a_port_in_use_is_refused_before_the_start(run_folder, command, tmp_path):
    pytest.importorskip("prometheus_client")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = command(
            "run",
            run_folder.config,
            *("--set", f"output.folder={tmp_path}"),
            *("--set", "metrics.enabled=true"),
            *("--set", f"metrics.port={taken.getsockname()[1]}"),
        )

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "metrics.port: 127.0.0.1 port" in line
    assert "cannot be used: Address already in use" in line
    assert not (tmp_path / "results.h5").exists()


WITHOUT_THE_PACKAGE = """\
import sys
sys.modules["prometheus_client"] = None
from specklenn.plugin.cli import main
sys.argv = ["specklenn", *{words!r}]
sys.exit(main())
"""


def test_a_missing_package_is_named_before_the_start(run_folder, tmp_path):
    words = ["run", str(run_folder.config), "--set", f"output.folder={tmp_path}"]
    words += ["--set", "metrics.enabled=true"]
    code = WITHOUT_THE_PACKAGE.format(words=words)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert 'prometheus-client is missing; pip install "specklenn[metrics]"' in line
    assert not (tmp_path / "results.h5").exists()
