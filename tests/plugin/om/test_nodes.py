"""Both kinds of OM's nodes, called by hand as OM's loop calls them."""

import numpy as np
import pytest

from specklenn.core.data.shots import InMemorySource
from specklenn.core.errors import EndOfRun
from specklenn.core.flags import Flag
from specklenn.plugin.console.run_progress import NoProgress
from specklenn.plugin.live.collector import Collector
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.scheduler import LiveScheduler
from specklenn.plugin.live.versions import Version
from specklenn.plugin.live.worker import Worker, WorkerOptions
from specklenn.plugin.om.collecting import CollectingNode, RunEndedError
from specklenn.plugin.om.events import ARRIVED, FAILURE, WAITED
from specklenn.plugin.om.processing import (
    MESSAGES,
    ProcessingNode,
    QueuedSource,
    frame_of,
    time_ns,
)

FIRST_S = 1_700_000_000
WAIT_S = 0.005


class Kept:
    """A sink and a publisher that remember."""

    def __init__(self):
        self.reports, self.snapshots, self.closed = [], [], 0

    def use(self, version):
        pass

    def write(self, report):
        self.reports.append(report)

    def flush(self):
        pass

    def publish(self, snapshot):
        self.snapshots.append(snapshot)

    def close(self):
        self.closed += 1

    @property
    def rows(self):
        rows = np.concatenate([report.rows for report in self.reports])
        return np.sort(rows, order="timestamp_ns")


class Job:
    """OM's nodes of one run: a collecting one and the processing ones."""

    def __init__(self, pipeline, clock, nodes=2, batch_shots=8):
        self.clock, self.kept, self.finished = clock, Kept(), 0
        self.pipeline = pipeline
        self.ranks = list(range(1, nodes + 1))
        self.collecting = CollectingNode(
            self._collector, self.ranks, self._finish, clock
        )
        self.processing = {rank: self._node(rank, batch_shots) for rank in self.ranks}
        self.pool = {"node_pool_size": nodes + 1}
        self.collecting.initialize_collecting_node(node_rank=0, **self.pool)
        for rank, node in self.processing.items():
            node.initialize_processing_node(node_rank=rank, **self.pool)

    def event(self, rank, data):
        sent = self.processing[rank].process_data(
            node_rank=rank, data=data, **self.pool
        )
        self.collect(sent)
        return sent[0][MESSAGES]

    def collect(self, sent):
        self.collecting.collect_data(node_rank=0, processed_data=sent, **self.pool)

    def end(self):
        for rank, node in self.processing.items():
            words = node.end_processing_on_processing_node(node_rank=rank, **self.pool)
            self.collect((words, rank))
        self.collecting.end_processing_on_collecting_node(node_rank=0, **self.pool)

    @property
    def state(self):
        return self.collecting.collector.state

    def _node(self, rank, batch_shots):
        options = WorkerOptions(host="node", save_classes=("single-hit",))
        return ProcessingNode(
            lambda channel, opener: Worker(
                channel, opener, self.pipeline, options, self.clock
            ),
            QueuedSource(rank - 1, len(self.ranks), (100, 100)),
            rank,
            "node",
            batch_shots,
            WAIT_S,
            self.clock,
        )

    def _collector(self, channel):
        classifier = self.pipeline.classifier
        facts = RunFacts(
            experiment="om",
            run=94,
            classes=self.pipeline.classes,
            support_classes=classifier.classes,
        )
        first = Version(
            model="untrained",
            weights_sha256="",
            rule="mean",
            support_version=7,
            support_hash="",
        )
        state = RunState(
            facts=facts,
            first=first,
            workers=self.ranks,
            examples_per_class=3,
            now_s=self.clock.monotonic(),
        )
        scheduler = LiveScheduler(set(self.ranks))
        return Collector(
            channel,
            scheduler,
            state,
            [self.kept],
            self.kept,
            NoProgress(),
            self.clock,
        )

    def _finish(self, collector):
        self.finished += 1
        return 1 if collector.state.failures else 0


def event(number, frame, waited_s=0.0):
    return {
        WAITED: waited_s,
        "timestamp": float(FIRST_S + number),
        "detector_data": frame,
        ARRIVED: 5_000 + number,
    }


@pytest.mark.parametrize("pause_s", [0.001, 1.0])
def test_every_shot_is_classified_as_by_the_pipeline_alone(
    pipeline, clock, draw_shots, pause_s
):
    frames, _ = draw_shots(61)
    classified = pipeline.classify(InMemorySource(list(frames)).read(0, 61))
    job = Job(pipeline, clock)

    for number, frame in enumerate(frames):
        job.event(1 + number % 2, event(number, frame, waited_s=pause_s))
        clock.sleep(pause_s)
    job.end()

    rows = job.kept.rows
    assert rows["timestamp_ns"].tolist() == [(FIRST_S + n) * 10**9 for n in range(61)]
    assert rows["index"].tolist() == list(range(61))
    assert rows["arrived_ns"].tolist() == [5_000 + n for n in range(61)]
    np.testing.assert_array_equal(rows["label"], classified.rows["label"])
    np.testing.assert_allclose(
        rows["distances"], classified.rows["distances"], atol=1e-5, equal_nan=True
    )
    assert job.state.state == "finished"
    assert job.finished == job.kept.closed / 2 == 1


def test_shots_that_come_slowly_are_classified_at_once(pipeline, clock, draw_shots):
    job = Job(pipeline, clock, nodes=1)

    for number, frame in enumerate(draw_shots(4)[0]):
        job.event(1, event(number, frame, waited_s=2 * WAIT_S))

        assert job.state.class_counts.shots == number + 1


def test_shots_that_come_fast_are_classified_together_within_the_wait(
    pipeline, clock, draw_shots
):
    job = Job(pipeline, clock, nodes=1)

    counted = []
    for number, frame in enumerate(draw_shots(12)[0]):
        job.event(1, event(number, frame))
        counted.append(job.state.class_counts.shots)
        clock.sleep(0.6 * WAIT_S)
    job.end()

    assert counted == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9, 12]
    assert job.state.class_counts.shots == 12


def test_no_more_shots_wait_than_a_batch_holds(pipeline, clock, draw_shots):
    job = Job(pipeline, clock, nodes=1, batch_shots=3)

    counted = []
    for number, frame in enumerate(draw_shots(7)[0]):
        job.event(1, event(number, frame))
        counted.append(job.state.class_counts.shots)

    assert counted == [0, 0, 3, 3, 3, 6, 6]


def test_frames_of_saved_classes_travel_whole(pipeline, clock, draw_shots):
    frames, names = draw_shots(8)
    job = Job(pipeline, clock)

    for number, frame in enumerate(frames):
        job.event(1, event(number, frame))
    job.end()

    saved = np.concatenate(
        [
            report.frames.pictures
            for report in job.kept.reports
            if len(report.frames.positions)
        ]
    )
    np.testing.assert_array_equal(saved, frames[names == "single-hit"])


@pytest.mark.parametrize(
    ("frame", "flag"),
    [
        (None, Flag.UNREADABLE),
        ("text", Flag.UNREADABLE),
        (np.ones(7), Flag.UNREADABLE),
        (np.ones((3, 3)), Flag.WRONG_SHAPE),
        (np.full((100, 100), np.nan), Flag.NOT_FINITE),
    ],
)
def test_a_shot_without_a_good_frame_is_a_counted_skip(
    pipeline, clock, draw_shots, frame, flag
):
    job = Job(pipeline, clock)

    job.event(1, event(0, frame))
    job.event(1, event(1, draw_shots(1)[0][0]))
    job.end()

    assert job.kept.rows["flags"][0] == flag.bits
    assert job.state.class_counts.skips == 1
    assert job.state.state == "finished"


def test_a_failure_on_one_node_ends_the_run_with_closed_books(pipeline, clock):
    job = Job(pipeline, clock)

    with pytest.raises(RunEndedError) as caught:
        job.event(2, {FAILURE: "OSError: no such disk"})

    assert caught.value.code == 1
    assert caught.value.failures == ["rank 2 on node failed: OSError: no such disk"]
    assert job.state.state == "failed"
    assert job.kept.closed == 2
    assert job.kept.snapshots[-1].failures == (
        "rank 2 on node failed: OSError: no such disk",
    )


def test_a_worker_that_raises_ends_the_run(pipeline, clock, draw_shots, monkeypatch):
    def broken(shots):
        raise RuntimeError("a programming error")

    job = Job(pipeline, clock)
    monkeypatch.setattr(pipeline, "classify", broken)

    with pytest.raises(RunEndedError) as caught:
        job.event(1, event(0, draw_shots(1)[0][0], waited_s=1))

    assert "rank 1 on node failed: RuntimeError: a prog" in caught.value.failures[0]


def test_an_interrupted_run_ends_by_itself_when_all_nodes_end(
    pipeline, clock, draw_shots
):
    job = Job(pipeline, clock)
    job.event(1, event(0, draw_shots(1)[0][0]))

    job.collecting.interrupt()
    job.end()

    assert job.collecting.collector.interrupted
    assert job.state.class_counts.shots == 1
    assert job.finished == 1


def wait_for_data(job, steps):
    for _ in range(steps):
        job.collecting.wait_for_data(node_rank=0, **job.pool)


def test_an_interrupted_run_does_not_wait_for_a_silent_node_for_ever(pipeline, clock):
    job, start_s = Job(pipeline, clock), clock.now

    job.collecting.interrupt()

    with pytest.raises(RunEndedError):
        wait_for_data(job, steps=10_000)
    assert job.finished == 1
    assert clock.now < start_s + 1


def test_an_interruption_before_the_start_is_one_at_once(pipeline, clock):
    node = CollectingNode(lambda channel: None, [1], lambda collector: 0, clock)

    with pytest.raises(KeyboardInterrupt):
        node.interrupt()


def test_the_machine_of_a_node_is_told_with_its_first_shot(pipeline, clock, draw_shots):
    job = Job(pipeline, clock)

    job.event(1, event(0, draw_shots(1)[0][0]))

    assert [job.state.ranks[rank].host for rank in (1, 2)] == ["node", ""]
    assert job.state.state == "running"


def test_a_handed_stream_ends_behind_its_last_shot():
    source = QueuedSource(1, 3, (4, 4))
    for number in range(3):
        source.put(event(number, np.ones((4, 4))))
    source.end()

    first, rest = source.receive(2, 0), source.receive(2, 0)

    assert [*first.index, *rest.index] == [1, 4, 7]
    assert [*first.arrived_ns, *rest.arrived_ns] == [5_000, 5_001, 5_002]
    with pytest.raises(EndOfRun):
        source.receive(2, 0)


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [
        (1_700_000_001.0, 1_700_000_001_000_000_000),
        (np.float64(1_700_000_001.5), 1_700_000_001_500_000_000),
        (0, 0),
        (None, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (-3.0, 0),
    ],
)
def test_oms_seconds_become_unix_nanoseconds(seconds, nanoseconds):
    assert time_ns(seconds) == nanoseconds


def test_modules_of_a_frame_are_stacked_and_the_frame_is_a_copy():
    frame = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)

    taken = frame_of(frame)
    frame[:] = 0

    np.testing.assert_array_equal(taken, np.arange(24).reshape(6, 4))
    assert taken.dtype == np.uint16


@pytest.mark.parametrize(
    "frame", [np.ones((100, 100), "c8"), np.ones((100, 100), bool), np.ones(7)]
)
def test_what_is_no_frame_is_said_once_in_one_sentence(pipeline, clock, caplog, frame):
    job = Job(pipeline, clock)

    job.event(1, event(0, frame))
    job.event(1, event(1, frame))

    said = [record.message for record in caplog.records]
    assert said == [
        f"OM's detector_data: {frame.dtype} of shape {frame.shape} found, a frame "
        "(H, W) or modules of real numbers expected"
    ]


def test_events_of_several_types_keep_their_values(clock):
    queue = QueuedSource(0, 1, (2, 2))
    for number, frame in enumerate(
        [
            np.ones((2, 2), "i2"),
            np.full((2, 2), 0.9, "f4"),
            np.full((2, 2), 70000, "f4"),
        ]
    ):
        queue.put(event(number, frame))

    shots = queue.receive(10, 0.0)

    assert shots.frames[:, 0, 0].tolist() == [1, np.float32(0.9), 70000]
