"""Whole runs in one process: collector and workers over in-memory channels."""

import numpy as np
import pytest

from specklenn.core.data.shots import InMemorySource
from specklenn.core.errors import DataError, EndOfRun
from specklenn.plugin.live.feed import ExampleBudget
from specklenn.plugin.live.scheduler import FileScheduler, LiveScheduler
from specklenn.plugin.parallel.channel import COLLECTOR, Kind, in_memory_channels


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_rows_are_the_same_whatever_the_number_of_workers(
    clock, pipeline, shots, workers, make_bench, opener
):
    bench = make_bench(
        clock,
        pipeline,
        [opener(shots)] * workers,
        FileScheduler(203, workers, lease_shots=32),
    )

    bench.run()

    rows = np.sort(bench.kept.rows, order="index")
    expected = pipeline.classify(opener(shots)().read(0, 203)).rows
    assert rows["index"].tolist() == list(range(203))
    np.testing.assert_array_equal(rows["label"], expected["label"])
    np.testing.assert_allclose(rows["distances"], expected["distances"], atol=1e-5)
    assert bench.state.state == "finished"
    assert bench.state.class_counts.shots == 203
    assert sum(rank.shots for rank in bench.state.ranks.values()) == 203
    assert bench.kept.closed


def test_a_failing_worker_is_named_and_its_shots_are_done_by_others(
    clock, pipeline, shots, make_bench, opener
):
    def broken(read, start, stop):
        raise DataError("the disk is gone")

    bench = make_bench(
        clock,
        pipeline,
        [opener(shots, broken), opener(shots)],
        FileScheduler(203, 2, lease_shots=32),
    )

    bench.run()

    assert sorted(bench.kept.rows["index"]) == list(range(203))
    assert bench.state.failures == ["rank 1 on node failed: the disk is gone"]
    assert bench.state.state == "failed"
    assert bench.workers[0].failed
    assert all(worker.stopped or worker.step() for worker in bench.workers)


def test_a_source_that_cannot_be_opened_fails_its_rank_only(
    clock, pipeline, shots, make_bench, opener
):
    def unopened():
        raise DataError("no such run")

    bench = make_bench(
        clock, pipeline, [unopened, opener(shots)], FileScheduler(203, 2, 32)
    )

    bench.run()

    assert len(bench.kept.rows) == 203
    assert bench.state.failures == ["rank 1 on node failed: no such run"]


def test_a_run_whose_workers_all_failed_ends(
    clock, pipeline, shots, make_bench, opener
):
    def broken(read, start, stop):
        raise RuntimeError("no")

    bench = make_bench(
        clock, pipeline, [opener(shots, broken)] * 2, FileScheduler(203, 2, 32)
    )

    bench.run()

    assert len(bench.state.failures) == 2
    assert bench.state.state == "failed"


def test_a_report_that_arrives_twice_counts_once(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)], FileScheduler(203, 1, 32))
    inbox, doubled = bench.ours.receive, []

    def twice():
        if doubled:
            return doubled.pop()
        message = inbox()
        if message is not None and message.kind is Kind.REPORT:
            doubled.append(message)
        return message

    bench.ours.receive = twice
    bench.run()

    assert sorted(bench.kept.rows["index"]) == list(range(203))
    assert bench.state.class_counts.shots == 203


def test_an_interrupted_run_keeps_what_was_under_way(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)], FileScheduler(203, 1, 64))
    for _ in range(6):
        bench.workers[0].step()
        bench.collector.step()

    bench.collector.interrupt()
    bench.run()

    rows = bench.kept.rows
    assert 0 < len(rows) < 203
    assert len(np.unique(rows["index"])) == len(rows) == bench.state.class_counts.shots
    assert bench.state.failures == ["interrupted before the end of the run"]
    assert bench.workers[0].stopped


def test_a_full_disk_ends_the_run_with_a_sentence(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)], FileScheduler(203, 1, 64))

    def full(report):
        raise DataError("results.h5: cannot be written: no space left on the device")

    bench.kept.write = full
    bench.run()

    assert bench.state.failures == [
        "results.h5: cannot be written: no space left on the device"
    ]
    assert bench.state.state == "failed"
    assert bench.workers[0].stopped or bench.workers[0].step()


def test_frames_of_the_chosen_classes_travel_whole(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)] * 2, FileScheduler(203, 2, 32))

    bench.run()

    multi = pipeline.classes.index("multi-hit")
    for report in bench.kept.reports:
        wanted = np.flatnonzero(report.rows["label"] == multi)
        np.testing.assert_array_equal(report.frames.positions, wanted)
        for position, frame in zip(wanted, report.frames.pictures, strict=True):
            np.testing.assert_array_equal(
                frame, shots[0][report.rows["index"][position]]
            )


def test_the_last_snapshot_tells_the_whole_story(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)] * 2, FileScheduler(203, 2, 32))

    bench.run()

    last = bench.kept.snapshots[-1]
    rows = bench.kept.rows
    assert last.state == "finished"
    assert last.shots == last.expected_shots == 203
    for code, name in enumerate(last.classes):
        assert last.counts[code] == (rows["label"] == code).sum()
        newest = [example for example in last.examples if example.label == name]
        assert len(newest) == min(3, int(last.counts[code]))
    assert last.latency_counts.sum() == 203
    assert sum(rank.shots for rank in last.ranks) == 203
    sequences = [snapshot.sequence for snapshot in bench.kept.snapshots]
    assert sequences == sorted(set(sequences))


class StreamOfShots:
    """A live source of some shots, but for why it may stall."""

    def __init__(self, shots, mine):
        self.missed, self._shots, self._mine = 0, shots, list(mine)
        self.started_ns = 0

    def start(self, start_ns):
        self.started_ns = start_ns

    def receive(self, most, timeout_s):
        if not self._mine:
            raise EndOfRun
        taken, self._mine = self._mine[:3], self._mine[3:]
        self.missed += 1
        source = InMemorySource(list(self._shots[0]), self._shots[1].tolist())
        return source.read(taken[0], taken[-1] + 1)

    def close(self):
        pass


class Stream(StreamOfShots):
    """A live source."""

    stall_reason = ""


class FormerStream(StreamOfShots):
    """A live source written for the version before."""

    trouble = "the server is gone"


def test_a_stream_ends_when_its_workers_have_nothing_more(
    clock, pipeline, shots, make_bench
):
    first, second = Stream(shots, range(30)), Stream(shots, range(30, 45))
    bench = make_bench(
        clock, pipeline, [lambda: first, lambda: second], LiveScheduler({1, 2})
    )

    bench.run()

    assert sorted(bench.kept.rows["index"]) == list(range(45))
    assert bench.state.missed == 15
    assert first.started_ns == second.started_ns > 0
    assert bench.state.state == "finished"


@pytest.mark.parametrize(
    ("expected", "failures", "state"),
    [(0, [], "finished"), (200, ["interrupted before the end of the run"], "failed")],
)
def test_only_a_stream_of_known_length_can_be_interrupted_too_early(
    clock, pipeline, shots, make_bench, expected, failures, state
):
    stream = Stream(shots, range(200))
    scheduler = LiveScheduler({1}, expected)
    bench = make_bench(clock, pipeline, [lambda: stream], scheduler)

    bench.step(5)
    bench.collector.interrupt()
    bench.run()

    assert 0 < bench.state.class_counts.shots < 200
    assert bench.state.failures == failures
    assert bench.state.state == state


def test_why_a_stream_stalls_is_shown_until_shots_come_again(
    clock, pipeline, shots, make_bench
):
    stream = Stream(shots, range(200))
    bench = make_bench(clock, pipeline, [lambda: stream], LiveScheduler({1}))
    words = "rank 1 on node: the server is gone"

    stream.stall_reason = "the server is gone"
    bench.step(20)
    while_gone = bench.kept.snapshots[-1]
    stream.stall_reason = ""
    bench.step(20)
    after = bench.kept.snapshots[-1]

    assert words in while_gone.failures
    assert words not in after.failures


def test_a_stream_of_the_version_before_still_says_why_it_stalls(
    clock, pipeline, shots, make_bench, caplog
):
    streams = [FormerStream(shots, range(90)), FormerStream(shots, range(90, 180))]
    openers = [lambda: streams[0], lambda: streams[1]]

    bench = make_bench(clock, pipeline, openers, LiveScheduler({1, 2}))
    bench.step(12)

    assert "rank 2 on node: the server is gone" in bench.kept.snapshots[-1].failures
    assert caplog.text.count("FormerStream.trouble is called stall_reason now") == 1
    bench.run()
    assert len(bench.kept.rows) == 180


def test_a_quiet_worker_still_says_that_it_lives(
    clock, pipeline, shots, make_bench, opener
):
    bench = make_bench(clock, pipeline, [opener(shots)], FileScheduler(0, 1, 32))
    worker = bench.workers[0]
    worker.step()
    bench.collector.step()
    while bench.ours.receive():
        pass

    clock.sleep(5)
    for _ in range(4):
        worker.step()

    kinds = []
    while (message := bench.ours.receive()) is not None:
        kinds.append(message.kind)
    assert Kind.REPORT in kinds


def test_pictures_are_limited_per_class_and_interval_newest_first(clock):
    budget = ExampleBudget(2, 0.1, clock)
    labels = np.array([0, 0, 0, 1, -1, 0], np.int8)

    assert budget.choose(labels) == [2, 3, 5]
    assert budget.choose(labels) == [3]
    clock.sleep(0.2)
    assert budget.choose(labels) == [2, 3, 5]


def test_messages_to_the_collector_carry_the_senders_rank():
    ours, theirs = in_memory_channels([0, 4])

    theirs[4].send(COLLECTOR, Kind.READY, b"x")
    ours.send(0, Kind.STOP)

    message = ours.receive()
    assert (message.rank, message.kind, message.payload) == (4, Kind.READY, b"x")
    assert theirs[0].receive().kind is Kind.STOP
    assert theirs[4].receive() is None


@pytest.mark.parametrize(
    ("frame", "failures"),
    [
        (None, ["no shot of this run could be used: 5 unreadable"]),
        (np.ones((3, 3)), ["no shot of this run could be used: 5 wrong shape"]),
        (
            np.full((100, 100), np.nan),
            ["no shot of this run could be used: 5 NaN or absurd pixels"],
        ),
        (np.zeros((100, 100)), []),  # a detector in the dark
    ],
)
def test_a_run_of_which_nothing_can_be_used_fails(
    clock, pipeline, make_bench, frame, failures
):
    source = InMemorySource([np.ones((100, 100)), *[frame] * 5])
    bench = make_bench(clock, pipeline, [lambda: source], FileScheduler(5, 1, 4, 4, 1))

    bench.run()

    assert bench.state.class_counts.skips == 5
    assert bench.state.failures == failures
    assert bench.state.state == ("failed" if failures else "finished")
