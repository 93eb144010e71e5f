import dataclasses
import io
import re

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from specklenn.core.class_counts import ClassCounts
from specklenn.core.labels import UNKNOWN
from specklenn.core.rows import empty_rows
from specklenn.plugin.console.run_progress import (
    RateMeter,
    TerminalProgress,
    status_line,
)
from specklenn.plugin.console.summary import print_summary
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.versions import Version

FIRST = Version(
    model="default",
    weights_sha256="0a",
    rule="mean",
    support_version=3,
    support_hash="abc",
)


@pytest.fixture
def state():
    facts = RunFacts(
        experiment="amo",
        run=94,
        classes=("single-hit", "multi-hit", "no-hit", "unknown"),
        support_classes=("single-hit", "multi-hit"),
        expected_shots=400,
    )
    made = RunState(
        facts=facts, first=FIRST, workers=[1, 2], examples_per_class=2, now_s=0.0
    )
    made.state = "running"
    made.started_ns = 1_000_000_000
    rows = empty_rows(200, 2)
    rows["index"] = np.arange(200)
    rows["label"] = np.arange(200) % 2
    rows["truth"] = np.where(np.arange(200) < 20, 0, np.arange(200) % 2)
    rows["label"][:4], rows["flags"][:4] = -1, 4
    rows["arrived_ns"] = 2_989_500_000
    made.add(1, Report(rows=rows, missed=3), 3_000_000_000)
    return made


def test_the_line_tells_shots_rate_classes_latency_losses_and_ranks(state):
    line = status_line(state, 120.4)

    for words in (
        "200/400 shots",
        "120 Hz",
        "single-hit 98",
        "multi-hit 98",
        "no-hit 0",
        "p99 11.2 ms",
        "skipped 4",
        "missed 3",
        "ranks 1:200 2:0",
    ):
        assert words in line
    assert "unknown" not in line


def test_a_log_gets_plain_lines_every_five_seconds(state):
    log = io.StringIO()
    progress = TerminalProgress(log)

    for now in np.arange(0, 12, 0.2):
        progress.update(state, float(now))
    progress.close()

    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("running") for line in lines)
    assert "\x1b" not in log.getvalue()


def test_the_rate_is_that_of_the_last_seconds():
    meter = RateMeter(window_s=3.0)
    for tick in range(100):
        steady = meter.rate_hz(12 * tick, tick / 10)
    for tick in range(100, 140):
        idle = meter.rate_hz(12 * 99, tick / 10)

    assert steady == pytest.approx(120)
    assert idle == 0


def test_the_summary_tells_rates_confusion_losses_and_files(state, tmp_path):
    text = io.StringIO()
    state.failures.append("rank 2 on node failed: gone")

    print_summary(state, [tmp_path / "results.h5"], Console(file=text, width=120))

    shown = text.getvalue()
    for words in (
        "skipped: NaN or absurd pixels",
        "50.00 %",
        "agreement with the labels: 188 of 196",
        "200 shots in 2.0 s = 100.0 Hz",
        "results.h5",
        "! rank 2 on node failed: gone",
    ):
        assert words in shown


def test_the_summary_says_that_unknown_counts_as_wrong(state):
    counted = ClassCounts(("a", UNKNOWN))
    counted.counts[:], counted.confusion[0] = (6, 2), (6, 2)
    state.facts = dataclasses.replace(state.facts, classes=counted.classes)
    state.class_counts = counted
    text = io.StringIO()

    print_summary(state, [], Console(file=text, width=200))

    words = "75.0 %", "unknown counted as wrong; 100.0 % without the 2 unknown"
    assert all(each in text.getvalue() for each in words)


def test_the_summary_tells_rates_of_each_model_and_supports(state):
    second = replace(FIRST, model_version=2, model="worse", time_ns=2_000_000_000)
    state.versions = [FIRST, second]
    for model, label in [(1, 0), (2, 1)]:
        rows = empty_rows(10, 2)
        rows["index"] = 1000 + 10 * model + np.arange(10)
        rows["label"], rows["truth"] = label, 0
        rows["label"][:1] = 2
        rows["model_version"], rows["support_version"] = model, 3
        state.add(1, Report(rows=rows), 3_000_000_000)
    text = io.StringIO()

    print_summary(state, [], Console(file=text, width=80))

    lines = [" ".join(re.findall(r"[\w.%-]+", x)) for x in text.getvalue().splitlines()]
    first = lines.index("support v3 v3")
    assert lines[first - 1] == "model v1 v2"
    assert lines[first + 2 : first + 5] == [
        "shots 10 10",
        "single-hit 90.00 % 0.00 %",
        "multi-hit 0.00 % 90.00 %",
    ]
    assert "agreement 90.00 % 0.00 %" in lines
    assert "model v2 worse (0a) by mean, support v3 (abc): since " in text.getvalue()


def test_with_one_model_and_supports_the_summary_has_no_table_of_them(state):
    text = io.StringIO()

    print_summary(state, [], Console(file=text, width=80))

    assert "Rates by model" not in text.getvalue()


@pytest.mark.parametrize(
    ("live", "words"),
    [(True, "Hz, latency p50"), (False, "Hz, from reading to row")],
)
def test_only_shots_of_a_stream_have_a_latency(state, live, words):
    state.facts = dataclasses.replace(state.facts, live=live)
    text = io.StringIO()

    print_summary(state, [], Console(file=text, width=120))

    assert words in text.getvalue()


def test_without_shots_the_rate_may_be_anything():
    facts = RunFacts(experiment="e", run=1, classes=("hit",), support_classes=("hit",))
    state = RunState(
        facts=facts, first=FIRST, workers=[1], examples_per_class=1, now_s=0.0
    )
    text = io.StringIO()

    print_summary(state, [], Console(file=text, width=120))

    assert "0.00 to 100.00 %" in text.getvalue()
