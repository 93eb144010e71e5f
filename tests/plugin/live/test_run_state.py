import numpy as np
import pytest
from msgspec.structs import replace

from specklenn.core.flags import Flag
from specklenn.core.rows import empty_rows
from specklenn.plugin.live.report import Report, attach
from specklenn.plugin.live.run_state import LATENCY_EDGES_MS, RunFacts, RunState
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
    classes=("single-hit", "no-hit"),
    support_classes=("single-hit",),
)
SECOND = 1_000_000_000


@pytest.fixture
def state():
    return RunState(
        facts=FACTS, first=FIRST, workers=[1, 2], examples_per_class=2, now_s=0.0
    )


def report(waited_ms, first=0, missed=0, arrived_ns=SECOND):
    rows = empty_rows(len(waited_ms), 1)
    rows["index"] = np.arange(first, first + len(waited_ms))
    rows["timestamp_ns"] = rows["index"]
    rows["label"] = 0
    rows["arrived_ns"] = arrived_ns - (np.array(waited_ms) * 1e6).astype(np.uint64)
    pictures = rows["index"][:, None, None] * np.ones((1, 3, 3))
    shown = attach(np.arange(len(rows)), pictures)
    return Report(rows=rows, missed=missed, examples=shown)


def test_latency_is_from_the_shot_to_its_row(state):
    waited = report([0.5, 20.0, 300.0])

    state.add(1, waited, SECOND)

    np.testing.assert_allclose(waited.rows["latency_ms"], [0.5, 20, 300], rtol=1e-5)


def test_quantiles_of_the_latency_are_right_to_a_bin(state):
    waited = np.random.default_rng(0).exponential(20, 5000)
    state.add(1, report(waited), SECOND)

    for quantile in (0.5, 0.95, 0.99):
        exact = np.quantile(waited, quantile)
        assert state.latency_quantile_ms(quantile) == pytest.approx(exact, rel=0.13)


def test_a_latency_beyond_the_histogram_is_still_counted(state):
    state.add(1, report([1e7], arrived_ns=20_000 * SECOND), 20_000 * SECOND)

    assert state.latency.sum() == 1
    assert state.latency_quantile_ms(0.99) == LATENCY_EDGES_MS[-1]


def test_a_clock_that_runs_ahead_gives_no_negative_latency(state):
    ahead = report([-5.0])

    state.add(1, ahead, SECOND)

    assert ahead.rows["latency_ms"].tolist() == [0.0]


def test_without_shots_there_is_no_quantile(state):
    assert np.isnan(state.latency_quantile_ms(0.99))


def test_missed_shots_are_the_sum_over_ranks_of_their_last_word(state):
    state.add(1, report([1.0], missed=3), SECOND)
    state.add(2, report([1.0], first=1, missed=4), SECOND)
    state.add(1, report([], missed=5), SECOND)

    assert state.missed == 9


def test_history_has_one_point_a_second_of_the_last_ten_minutes(state):
    for tick in range(0, 700 * 4):
        if tick % 4 == 2:
            state.add(1, report([1.0], first=tick), SECOND)
        state.record_history(tick * SECOND // 4)

    snapshot = state.snapshot(0.0, 700 * SECOND)

    assert snapshot.history_s.tolist() == list(range(100, 700))
    assert snapshot.history_counts[:, 0].tolist() == list(range(100, 700))


def test_the_newest_examples_of_each_class_are_kept(state):
    state.add(1, report([1.0] * 5), SECOND)

    shown = state.snapshot(0.0, SECOND).examples

    assert [example.index for example in shown] == [4, 3]
    assert [example.pattern[0, 0] for example in shown] == [4, 3]


def test_sentences_about_supports_and_far_shots_are_notes_and_no_failures(state):
    state.support_notes = ("supports: one is odd",)
    far = report([1.0] * 200)
    far.rows["score"] = 0.9
    far.rows["flags"] = Flag.REJECTED.bits | Flag.FAR.bits

    state.add(1, far, SECOND)

    shown = state.snapshot(0.0, SECOND).failures
    assert shown[0] == "supports: one is odd"
    assert shown[1].startswith("100 % of the hits are far from every support")
    assert state.notes == shown
    assert state.failures == []


def test_a_snapshot_tells_every_version_with_its_uses_and_its_shots(state):
    second = replace(FIRST, number=2, support_version=4, time_ns=5 * SECOND)
    again = replace(FIRST, number=3, time_ns=9 * SECOND)
    state.versions = [FIRST, second, again]
    for support, number in [(3, 2), (4, 5), (3, 1)]:
        made = report([1.0] * number)
        made.rows["model_version"], made.rows["support_version"] = 1, support
        made.rows["label"][0], made.rows["flags"][0] = -1, Flag.EMPTY
        state.add(1, made, SECOND)

    first, other = state.snapshot(0.0, SECOND).versions

    assert (first.model_version, first.support_version) == (1, 3)
    assert first.since_ns == (0, 9 * SECOND)
    assert (first.counts.tolist(), first.skips) == ([1, 0], 2)
    assert other.since_ns == (5 * SECOND,)
    assert (other.counts.tolist(), other.skips) == ([4, 0], 1)
    assert (first.rule, first.support_hash) == ("mean", "abc")
