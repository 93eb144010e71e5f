import numpy as np
import pytest

from specklenn.core.messages import VersionStatus
from specklenn.gui.monitor.state import MonitorState, fitting_boxcar
from specklenn.gui.monitor.view import Choices, Freshness

CLASSES = ("single-hit", "multi-hit", "no-hit")
START_S = 1_700_000_000.0


class Beamtime:
    """Random shots, and what a collector would say of them.

    The collector is started again at second 40, with counters at zero.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.times = START_S + np.sort(random.uniform(0, 80, 1200))
        self.labels = random.choice(3, 1200, p=[0.1, 0.05, 0.85])
        self.random = random

    def counts(self, since_s: float, until_s: float) -> np.ndarray:
        """Recount shot by shot."""
        found = [0, 0, 0]
        for time_s, label in zip(self.times, self.labels, strict=True):
            if since_s < time_s <= until_s:
                found[label] += 1
        return np.array(found)

    def snapshot(self, make_snapshot, second: float):
        begun_s = START_S + (40 if second > 40 else 0)
        now_s = START_S + second
        history_s = np.arange(begun_s, now_s + 0.01)
        return make_snapshot(
            session="b" if second > 40 else "a",
            sequence=int(1000 * second) + 1,
            now_s=now_s,
            classes=CLASSES,
            counts=self.counts(begun_s, now_s),
            history_s=history_s,
            history_counts=np.array([self.counts(begun_s, t) for t in history_s]),
        )


@pytest.fixture
def watched(make_snapshot, clock):
    """State of a window that lost most messages of a beamtime, and the beamtime."""
    beamtime = Beamtime(seed=3)
    state = MonitorState(clock)
    lossy = beamtime.random.choice(np.arange(1.0, 79.0, 0.5), 12, replace=False)
    for second in sorted({*map(float, lossy), 40.0, 80.0}):
        clock.now = START_S + second
        assert state.merge(beamtime.snapshot(make_snapshot, second))
    return state, beamtime


def _hits(state, window_s):
    return [rate.hits for rate in state.view(Choices(window_s=window_s)).rates]


@pytest.mark.parametrize("window_s", [1.0, 10.0, 39.0, 41.0, 60.0, 79.0])
def test_rates_equal_a_recount_over_losses_and_a_restart(watched, window_s):
    state, beamtime = watched

    end_s = START_S + 80
    expected = beamtime.counts(end_s - window_s, end_s)
    assert _hits(state, window_s) == expected.tolist()
    rates = state.view(Choices(window_s=window_s)).rates
    assert rates[0].rate == expected[0] / expected.sum()


def test_whole_run_is_what_the_run_itself_counted(watched):
    state, beamtime = watched

    since_restart = beamtime.counts(START_S + 40, START_S + 80)
    assert _hits(state, None) == since_restart.tolist()


def test_a_window_longer_than_the_history_counts_all_that_is_known(watched):
    state, beamtime = watched

    assert _hits(state, 3600.0) == beamtime.counts(START_S, START_S + 80).tolist()
    assert state.view(Choices(window_s=3600.0)).over_s == 80.0


def test_moving_average_equals_a_recount_within_each_session(watched):
    state, beamtime = watched
    series = state.view(Choices(window_s=600.0, boxcar_s=5.0)).series

    for time_s, rates in zip(series.times, series.rates, strict=True):
        after_start_s = time_s - START_S
        full = 5 <= after_start_s <= 40 or after_start_s >= 46
        counts = beamtime.counts(time_s - 5, time_s)
        expected = counts / counts.sum() if full else np.full(3, np.nan)
        np.testing.assert_allclose(rates, expected, err_msg=str(after_start_s))


def test_a_restart_is_marked_when_it_happened(watched):
    state, _ = watched

    assert state.view(Choices()).marks == ((START_S + 40, "restart"),)


def used(*uses):
    """Versions of a snapshot: numbers of model, supports and fit, and since when."""
    return tuple(
        VersionStatus(
            model_version=model,
            model=f"m{model}",
            rule="mean",
            support_version=support,
            support_hash="ab",
            fit_version=fit[0] if fit else 0,
            since_ns=tuple(round((START_S + s) * 1e9) for s in since),
            counts=np.array([model, 0, 9 * support, 0, 0]),
            skips=1,
        )
        for model, support, since, *fit in uses
    )


def test_changes_of_model_and_supports_are_marked_when_they_happened(
    make_snapshot, clock
):
    state = MonitorState(clock)
    state.merge(make_snapshot(versions=used((1, 7, [0]))))
    later = used((1, 7, [0, 9]), (1, 8, [5]), (2, 8, [7]))
    state.merge(make_snapshot(sequence=2, now_s=START_S + 12, versions=later))

    assert state.view(Choices()).marks == (
        (START_S + 5, "support v8"),
        (START_S + 7, "model v2"),
        (START_S + 9, "support v7, model v1"),
    )


def test_a_fit_to_the_run_is_marked_and_its_end_is_not(make_snapshot, clock):
    state = MonitorState(clock)
    versions = used((1, 7, [0, 9]), (1, 7, [5], 1))
    state.merge(make_snapshot(now_s=START_S + 12, versions=versions))

    assert state.view(Choices()).marks == ((START_S + 5, "fit v1"),)


def test_a_window_that_is_opened_later_marks_the_same(make_snapshot, clock):
    versions = used((1, 7, [0]), (1, 8, [5]))
    early, late = MonitorState(clock), MonitorState(clock)
    early.merge(make_snapshot(versions=versions[:1]))
    for state in (early, late):
        state.merge(make_snapshot(sequence=9, now_s=START_S + 60, versions=versions))
        state.merge(make_snapshot(sequence=10, now_s=START_S + 61, versions=versions))

    assert early.view(Choices()).marks == late.view(Choices()).marks
    assert late.view(Choices()).marks == ((START_S + 5, "support v8"),)


def test_a_restart_with_other_supports_says_so_and_keeps_earlier_marks(
    make_snapshot, clock
):
    state = MonitorState(clock)
    state.merge(make_snapshot(versions=used((1, 7, [-9]), (2, 7, [-3]))))
    again = {"session": "b", "now_s": START_S + 5, "versions": used((2, 8, [4]))}
    state.merge(make_snapshot(**again))

    assert state.view(Choices()).marks == (
        (START_S - 3, "model v2"),
        (START_S + 5, "restart, support v8"),
    )


def test_rates_are_told_for_each_model_and_supports(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(make_snapshot(versions=used((1, 7, [0, 9]), (2, 8, [5]))))

    other, last = state.view(Choices()).versions

    assert (last.words, last.shots, last.skips) == (
        "model v1 m1 by mean, support v7",
        65,
        1,
    )
    assert last.rates[2].rate == 63 / 64
    assert other.words == "model v2 m2 by mean, support v8"
    assert "supports ab; in use since" in other.more


def test_a_gap_is_nan_and_the_average_must_fill_again(make_snapshot, clock):
    seconds = np.concatenate([np.arange(0, 20), np.arange(50, 70)])
    counts = np.stack([seconds * 2, seconds * 0, seconds * 8], axis=1)
    state = MonitorState(clock)
    state.merge(
        make_snapshot(
            classes=CLASSES,
            now_s=START_S + 69,
            counts=counts[-1],
            history_s=START_S + seconds.astype(float),
            history_counts=counts,
        )
    )

    series = state.view(Choices(window_s=600.0, boxcar_s=5.0)).series

    drawn = np.isfinite(series.rates[:, 0])
    assert (series.times[drawn] - START_S).tolist() == [
        *range(5, 20),
        *range(55, 70),
    ]
    np.testing.assert_allclose(series.rates[drawn, 0], 0.2)


def test_seconds_without_any_shot_are_nan(make_snapshot, clock):
    history_s = START_S + np.arange(30.0)
    counts = np.zeros((30, 3), np.int64)
    state = MonitorState(clock)
    state.merge(
        make_snapshot(
            classes=CLASSES,
            now_s=START_S + 29,
            counts=counts[-1],
            history_s=history_s,
            history_counts=counts,
        )
    )

    series = state.view(Choices(boxcar_s=5.0)).series

    assert np.isnan(series.rates).all()


def test_a_day_of_seconds_is_thinned_and_cached(make_snapshot, clock):
    state = MonitorState(clock)
    for hour in range(24):
        history_s = START_S + 3600.0 * hour + np.arange(3600.0)
        counts = np.outer(history_s - START_S, [1, 1, 8]).astype(np.int64)
        state.merge(
            make_snapshot(
                classes=CLASSES,
                sequence=hour + 1,
                now_s=history_s[-1],
                counts=counts[-1],
                history_s=history_s,
                history_counts=counts,
            )
        )

    series = state.view(Choices(window_s=None)).series

    assert len(series.times) <= 2000
    assert series.times[-1] - series.times[0] > 86_000
    np.testing.assert_allclose(series.rates[-1], [0.1, 0.1, 0.8], atol=1e-3)
    assert state.view(Choices(window_s=None)).series is series


def test_history_that_cannot_be_true_is_left_out(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(
        make_snapshot(
            classes=CLASSES,
            now_s=START_S + 10,
            counts=np.array([10, 10, 10]),
            history_s=START_S + np.array([0, np.nan, 2, 1, 3, 4, 99, np.inf]),
            history_counts=np.array([0, 1, 2, 1, 50, 3, 4, 5])[:, None] * [1, 1, 1],
        )
    )

    series = state.view(Choices(window_s=None, boxcar_s=2.0)).series

    assert (series.times - START_S).tolist() == [0, 2, 4, 10]


@pytest.mark.parametrize(
    ("silence_s", "expected"),
    [
        (0.0, Freshness.LIVE),
        (1.9, Freshness.LIVE),
        (2.0, Freshness.STALE),
        (10.0, Freshness.STALE),
        (10.1, Freshness.DISCONNECTED),
    ],
)
def test_freshness_follows_the_time_of_receipt(
    make_snapshot, clock, silence_s, expected
):
    state = MonitorState(clock)
    state.merge(make_snapshot(now_s=START_S - 5000))
    clock.now += silence_s

    assert state.freshness() is expected


def test_freshness_before_any_message_is_waiting(clock):
    assert MonitorState(clock).view(Choices()).freshness is Freshness.WAITING


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("finished", Freshness.FINISHED),
        ("failed", Freshness.FAILED),
        ("waiting", Freshness.DISCONNECTED),
    ],
)
def test_a_run_that_stopped_is_not_stale(make_snapshot, clock, said, expected):
    state = MonitorState(clock)
    state.merge(make_snapshot(state=said))
    clock.now += 3600

    assert state.freshness() is expected


def test_a_clock_set_back_cannot_keep_old_data_live(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(make_snapshot())
    clock.now -= 3600
    assert state.age_s() == 0
    clock.now += 3

    assert state.freshness() is Freshness.STALE


def test_messages_older_than_the_newest_are_dropped(make_snapshot, clock):
    state = MonitorState(clock)
    assert state.merge(make_snapshot(sequence=5))

    assert not state.merge(make_snapshot(sequence=5))
    assert not state.merge(make_snapshot(sequence=4))
    assert not state.merge(make_snapshot(session="old", now_s=START_S - 9))
    assert state.newest.sequence == 5


def test_another_run_is_accepted_after_silence_whatever_its_clock(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(make_snapshot())
    clock.now += 11

    assert state.merge(make_snapshot(session="b", now_s=START_S - 500))


def test_other_classes_begin_a_new_history(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(make_snapshot())
    state.merge(
        make_snapshot(sequence=2, classes=("up", "down"), counts=np.array([1, 3]))
    )

    rates = state.view(Choices(window_s=None)).rates
    assert [(rate.name, rate.rate) for rate in rates] == [("up", 0.25), ("down", 0.75)]


def test_newest_examples_come_first_and_six_are_kept(
    make_snapshot, make_example, clock
):
    state = MonitorState(clock)
    for sequence in range(1, 10):
        stamp = int((START_S + sequence) * 1e9)
        state.merge(
            make_snapshot(
                sequence=sequence,
                now_s=START_S + sequence,
                examples=(make_example(index=sequence, timestamp_ns=stamp),),
            )
        )

    seen = state.view(Choices()).examples["single-hit"]
    assert [item.example.index for item in seen] == [9, 8, 7, 6, 5, 4]
    assert [item.age_s for item in seen] == [0, 1, 2, 3, 4, 5]


def test_examples_recorded_long_ago_age_since_they_were_seen(
    make_snapshot, make_example, clock
):
    state = MonitorState(clock)
    state.merge(make_snapshot(examples=(make_example(timestamp_ns=0),)))
    clock.now += 4

    (seen,) = state.view(Choices()).examples["single-hit"]
    assert seen.age_s == 4


def test_header_tells_latency_ranks_and_losses(make_snapshot, clock):
    state = MonitorState(clock)
    state.merge(make_snapshot(skipped={"NaN": 3, "shape": 9}, missed_shots=4))

    header = state.view(Choices()).header

    assert header.latency_ms == pytest.approx((10.0, 19.0, 19.8))
    assert (header.ranks_alive, header.snapshot.missed_shots) == (1, 4)
    assert header.skipped == (("shape", 9), ("NaN", 3))
    assert header.snapshot.shots == 1012


def test_shots_per_second_is_that_of_the_last_ten_seconds(make_snapshot, clock):
    history_s = START_S + np.arange(60.0)
    counts = np.outer(np.arange(60) ** 2, [0, 0, 1]).astype(np.int64)
    state = MonitorState(clock)
    state.merge(
        make_snapshot(
            classes=CLASSES,
            now_s=history_s[-1],
            counts=counts[-1],
            history_s=history_s,
            history_counts=counts,
        )
    )

    assert state.view(Choices()).header.shots_per_s == (59**2 - 49**2) / 10


def test_average_follows_the_window():
    assert [fitting_boxcar(length) for length in (5.0, 60.0, 600.0, 86_400.0)] == [
        2.0,
        2.0,
        30.0,
        300.0,
    ]
