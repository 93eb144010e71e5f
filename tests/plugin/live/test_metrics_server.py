"""What Prometheus reads of a run, with its own client as server and parser."""

import re
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from specklenn.core.config.run_config import Metrics
from specklenn.core.errors import ConfigError
from specklenn.core.flags import Flag
from specklenn.core.rows import empty_rows
from specklenn.plugin.commands.demo import free_port
from specklenn.plugin.live.metrics_server import MetricsServer
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.clock import SystemClock

pytestmark = pytest.mark.hosts
parser = pytest.importorskip("prometheus_client.parser")

WALL_NS = 1_700_000_000_000_000_000
LATENCIES_MS = np.array([0.05, 0.3, 5.0, 5.1, 20.0, 700.0, 3000.0])
DOCUMENT = Path(__file__).parents[3] / "docs/operating.md"
EXPERIMENT = 'amo "06516"\n\\'


class Clock(SystemClock):
    """The machine's clock, but its wall time stands still until a test moves it."""

    def __init__(self):
        self.wall = WALL_NS

    def wall_ns(self):
        return self.wall


def counted():
    """A run with seven rows of two ranks: three, two and two skipped."""
    facts = RunFacts(
        experiment=EXPERIMENT,
        run=94,
        classes=("single-hit", "no-hit"),
        support_classes=("single-hit",),
        expected_shots=600,
        notes=("a note",),
    )
    first = Version(
        model="default",
        weights_sha256="0a",
        rule="mean",
        support_version=3,
        support_hash="abc",
    )
    run = RunState(
        facts=facts, first=first, workers=[1, 2], examples_per_class=0, now_s=10.0
    )
    rows = empty_rows(7, 1)
    rows["index"] = np.arange(7)
    rows["label"] = [0, 0, 0, 1, 1, -1, -1]
    rows["flags"][5:] = [Flag.NOT_FINITE, Flag.EMPTY]
    rows["arrived_ns"] = WALL_NS - (LATENCIES_MS * 1e6).astype(np.int64)
    run.add(1, Report(rows=rows[:5], missed=4), WALL_NS)
    run.add(2, Report(rows=rows[5:]), WALL_NS)
    run.state = "running"
    run.ranks[1].host = "node"
    run.ranks[2].failure = "ValueError: x"
    return run


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def serve(clock):
    """Start a server with some settings; returns it with its address."""
    made = []

    def start(**settings):
        settings = Metrics(enabled=True, port=free_port(), **settings)
        made.append(MetricsServer(settings, clock))
        return made[-1], f"http://127.0.0.1:{settings.port}/metrics"

    yield start
    for server in made:
        server.publish(counted().snapshot(0.0, WALL_NS))
        server.close()


def scraped(address):
    """Values of a scrape by name and their labels' values, in the labels' order."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape_tells_what_the_run_has_counted(serve):
    server, address = serve()
    server.publish(counted().snapshot(12.5, WALL_NS))

    found = scraped(address)

    expected = {
        ("specklenn_shots_total",): 7,
        ("specklenn_class_shots_total", "single-hit"): 3,
        ("specklenn_class_shots_total", "no-hit"): 2,
        ("specklenn_skipped_shots_total", "NaN or absurd pixels"): 1,
        ("specklenn_skipped_shots_total", "empty"): 1,
        ("specklenn_missed_shots_total",): 4,
        ("specklenn_expected_shots",): 600,
        ("specklenn_ranks_alive",): 1,
        ("specklenn_ranks_failed",): 1,
        ("specklenn_rank_silent_seconds", "node", "1"): 2.5,
        ("specklenn_rank_shots_total", "node", "1"): 5,
        ("specklenn_rank_shots_total", "", "2"): 2,
        ("specklenn_run_state", "running"): 1,
        ("specklenn_run_state", "finished"): 0,
        ("specklenn_notices",): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_the_labels_of_the_run_say_what_it_is(serve):
    server, address = serve()
    run = counted()
    server.publish(run.snapshot(12.5, WALL_NS))

    [labels] = [key for key in scraped(address) if key[0] == "specklenn_run_info"]

    told = {EXPERIMENT, "94", run.session, "default", "1", "3", "abc"}
    assert set(labels[1:]) == told


def test_the_table_in_the_docs_has_all_of_them(serve):
    server, address = serve()
    server.publish(counted().snapshot(12.5, WALL_NS))
    table = re.search(r"\| metric \|.*?\n\n", DOCUMENT.read_text(), re.DOTALL)[0]

    assert set(re.findall(r"`(specklenn_\w+)", table)) == {
        key[0] for key in scraped(address)
    }


def test_latency_buckets_count_the_rows_below_their_edges(serve):
    server, address = serve()
    server.publish(counted().snapshot(12.5, WALL_NS))

    buckets = {
        float(key[1]): value
        for key, value in scraped(address).items()
        if key[0] == "specklenn_latency_seconds_bucket"
    }

    assert len(buckets) == 31
    assert list(buckets) == sorted(buckets)
    for edge_s, count in buckets.items():
        assert count == np.sum(LATENCIES_MS < 1000 * edge_s), edge_s
    assert buckets[np.inf] == 7


def test_the_age_of_the_last_row_grows_until_another_comes(serve, clock):
    server, address = serve()
    run, ages = counted(), []
    server.publish(run.snapshot(0.0, WALL_NS))
    clock.wall += 3_000_000_000
    server.publish(run.snapshot(3.0, clock.wall))
    ages.append(scraped(address)["specklenn_last_row_age_seconds",])
    run.add(1, Report(rows=empty_rows(1, 1)[:0], missed=9), clock.wall)
    clock.wall += 1_000_000_000
    ages.append(scraped(address)["specklenn_last_row_age_seconds",])
    ages.append(scraped(address)["specklenn_snapshot_age_seconds",])
    rows = empty_rows(1, 1)
    rows["flags"] = Flag.EMPTY
    run.add(1, Report(rows=rows), clock.wall)
    server.publish(run.snapshot(4.0, clock.wall))
    ages.append(scraped(address)["specklenn_last_row_age_seconds",])

    assert ages == [3.0, 4.0, 1.0, 0.0]


def test_before_the_first_snapshot_there_is_nothing(serve):
    _, address = serve()

    assert scraped(address) == {}


def test_a_port_in_use_is_refused_in_one_sentence(serve, clock):
    _, address = serve()
    port = int(address.split(":")[2].split("/")[0])

    with pytest.raises(ConfigError, match=rf"metrics\.port: .* {port} cannot be used"):
        MetricsServer(Metrics(enabled=True, port=port), clock)


def test_two_runs_in_one_process_do_not_share_numbers(serve):
    first, first_address = serve()
    _, second_address = serve()
    first.publish(counted().snapshot(0.0, WALL_NS))

    assert scraped(first_address)["specklenn_shots_total",] == 7
    assert scraped(second_address) == {}


def closing(server):
    thread = threading.Thread(target=server.close, daemon=True)
    thread.start()
    return thread


def test_a_finished_run_waits_for_its_last_scrape(serve):
    server, address = serve(last_scrape_s=120)
    run = counted()
    server.publish(run.snapshot(0.0, WALL_NS))
    scraped(address)
    run.state = "finished"
    server.publish(run.snapshot(0.0, WALL_NS))

    thread = closing(server)
    last = scraped(address)
    thread.join(60)

    assert last["specklenn_run_state", "finished"] == 1
    assert not thread.is_alive()


@pytest.mark.parametrize(("state", "watched"), [("finished", False), ("failed", True)])
def test_nobody_is_waited_for_without_reason(serve, state, watched):
    server, address = serve(last_scrape_s=120)
    run = counted()
    server.publish(run.snapshot(0.0, WALL_NS))
    if watched:
        scraped(address)
    run.state = state
    server.publish(run.snapshot(0.0, WALL_NS))

    thread = closing(server)
    thread.join(60)

    assert not thread.is_alive()
