"""Streams from psana's process, which is played by a list of messages."""

import threading
import time

import numpy as np
import pytest

from specklenn.core.data.sources import Share
from specklenn.core.errors import DataError, EndOfRun, MissingPackageError
from specklenn.core.flags import Flag
from specklenn.plugin.sources.psana.event_buffer import EventBuffer
from specklenn.plugin.sources.psana.messages import Kind, Message
from specklenn.plugin.sources.psana.settings import PsanaSettings
from specklenn.plugin.sources.psana.stream import DuplicateFilter, PsanaStream

SECONDS_1990_TO_UNIX = 631_152_000
PATIENCE_S = 30.0


class Script:
    """A process that sends messages, then is silent until it is killed, or dies."""

    def __init__(self, messages, dies=False):
        self._messages = iter([*messages])
        self._dies = dies
        self.killed = threading.Event()

    def receive(self):
        found = next(self._messages, None)
        if found is None and not self._dies:
            self.killed.wait(PATIENCE_S)
        return found

    def exit_reason(self):
        return "psana was ended by SIGSEGV"

    def kill(self):
        self.killed.set()


def shot(second, value=0.0, shape=(4, 5)):
    frame = np.full(shape, value, np.float32)
    return Message(kind=Kind.SHOT, stamp=second << 32 | 500, frame=frame)


SHARED_MEMORY = {"shmem": "tmo"}
GROWING_RUN = {"shmem": None, "exp": "tmox1", "run": 1, "live": True}
STARTED = Message(kind=Kind.STARTED)
OVER = Message(kind=Kind.OVER)


class Bench:
    """A stream whose processes are played by scripts, one after the other."""

    def __init__(self, clock, *scripts, share=None, **options):
        self.scripts, self.clock, self.started = list(scripts), clock, 0
        options = {**SHARED_MEMORY, **options}
        settings = PsanaSettings(kind="psana", detector="spicam", **options)
        self.stream = PsanaStream(self.next, settings, share or Share(), clock)
        self.stream.start(0)

    def next(self):
        self.started += 1
        return self.scripts[self.started - 1]

    def all(self, number, most=64):
        """Batches until so many shots have come."""
        batches, deadline = [], time.monotonic() + PATIENCE_S
        while sum(map(len, batches)) < number:
            assert time.monotonic() < deadline, "no shots came"
            batch = self.stream.receive(most, 0.01)
            batches += [batch] if batch is not None else []
        return batches

    def until(self, error):
        """The error that comes in the end."""
        with pytest.raises(error) as caught:
            self.all(10**9)
        return caught.value

    def until_restarted(self, times):
        deadline = time.monotonic() + PATIENCE_S
        while self.started < 1 + times:
            assert time.monotonic() < deadline, "psana was not started again"
            assert self.stream.receive(64, 0.01) is None


@pytest.fixture
def bench(clock):
    made = []

    def make(*scripts, **options):
        made.append(Bench(clock, *scripts, **options))
        return made[-1]

    yield make
    for item in made:
        item.stream.close()


def values(batches):
    return [float(frame[0, 0]) for batch in batches for frame in batch.frames]


def test_shots_come_in_order_with_dense_numbers_and_unix_times(bench):
    script = Script([STARTED, *[shot(100 + i, i) for i in range(10)]])

    batches = bench(script, share=Share(worker=1, workers=3)).all(10, most=4)

    assert values(batches) == list(range(10))
    index = np.concatenate([batch.index for batch in batches])
    assert index.tolist() == list(range(1, 31, 3))
    times = np.concatenate([batch.timestamp_ns for batch in batches])
    expected = [(SECONDS_1990_TO_UNIX + 100 + i) * 10**9 + 500 for i in range(10)]
    assert times.tolist() == expected
    assert max(map(len, batches)) <= 4


def test_an_event_that_comes_twice_is_taken_once(bench):
    script = Script([STARTED, shot(1, 1), shot(2, 2), shot(1, 1), shot(3, 3)])

    made = bench(script)

    assert values(made.all(3)) == [1, 2, 3]
    assert made.stream.missed == 0


def test_in_another_run_the_same_times_are_other_events(bench):
    run = Message(kind=Kind.RUN)
    script = Script([STARTED, run, shot(1, 1), OVER, run, shot(1, 2), OVER])

    assert values(bench(script).all(2)) == [1, 2]


def test_events_that_cannot_be_read_are_flagged_and_told_once(bench, caplog):
    lost = [Message(kind=Kind.LOST, stamp=i << 32, text="torn") for i in range(3)]
    script = Script([STARTED, *lost, shot(9)])

    batches = bench(script).all(4)

    flags = np.concatenate([batch.flags for batch in batches])
    assert flags.tolist() == [Flag.UNREADABLE.value] * 3 + [0]
    assert "cannot be read: torn" in caplog.text


def test_frames_of_another_shape_come_in_a_batch_of_their_own(bench):
    shots = [shot(1), shot(2), shot(3, shape=(3, 4)), shot(4)]

    batches = bench(Script([STARTED, *shots])).all(4)

    shapes = [batch.frames.shape[1:] for batch in batches for _ in batch.index]
    assert shapes == [(4, 5), (4, 5), (3, 4), (4, 5)]
    assert not any(batch.flags.any() for batch in batches)


def test_a_run_that_is_over_ends_the_stream_if_that_is_wanted(bench):
    script = Script([STARTED, shot(1), OVER])
    made = bench(script, end_with_run=True)

    assert len(made.all(1)) == 1
    made.until(EndOfRun)


def test_what_psana_cannot_do_is_an_error_with_its_sentence(bench):
    failed = Message(kind=Kind.FAILED, text="no detector 'x'; detectors found: y")
    missing = Message(kind=Kind.MISSING, text="pip install")

    assert str(bench(Script([STARTED, failed])).until(DataError)) == failed.text
    assert str(bench(Script([missing])).until(MissingPackageError)) == "pip install"


def test_silence_is_trouble_until_shots_come_again(bench, clock):
    first, second = Script([STARTED, shot(1)]), Script([STARTED, shot(2)])
    made = bench(first, second, trouble_after_s=4, restart_after_s=10)
    made.all(1)

    assert made.stream.stall_reason == ""
    clock.sleep(4.1)
    assert made.stream.receive(64, 0.01) is None
    assert made.stream.stall_reason.startswith("shared memory tmo: no message since ")
    clock.sleep(6)
    made.until_restarted(1)
    assert first.killed.is_set()
    assert len(made.all(1)) == 1
    assert made.stream.stall_reason == ""


def test_the_longer_the_silence_the_rarer_psana_is_started_again(bench, clock):
    made = bench(*[Script([STARTED]) for _ in range(4)], restart_after_s=10)
    starts, begun = [], clock.monotonic()

    for _ in range(1500):
        made.stream.receive(64, 0.001)
        if made.started > 1 + len(starts):
            starts.append(clock.monotonic() - begun)
            time.sleep(0.05)  # for its first word
        clock.sleep(0.05)

    assert np.diff([0, *starts]) == pytest.approx([10, 20, 40], abs=1)


def test_a_process_that_dies_is_started_again_and_said_in_the_log(bench, caplog):
    dead = Script([STARTED, shot(1)], dies=True)
    made = bench(dead, Script([STARTED, shot(2)]))

    assert len(made.all(2)) == 2
    assert made.started == 2
    assert "psana was ended by SIGSEGV; it is started again" in caplog.text


def test_a_process_that_only_dies_is_a_failure(bench):
    made = bench(*[Script([], dies=True) for _ in range(20)])

    assert "SIGSEGV" in str(made.until(DataError))
    assert made.started == 9


def test_a_run_that_is_written_fails_with_its_process(bench):
    made = bench(Script([STARTED, shot(1)], dies=True), **GROWING_RUN)

    made.all(1)
    assert "SIGSEGV" in str(made.until(DataError))
    assert made.started == 1


def test_a_process_that_does_not_start_is_a_failure(bench, clock):
    made = bench(Script([]), timeout_s=120)
    clock.sleep(121)

    assert "could not be imported within 120 s" in str(made.until(DataError))


def test_a_long_silence_can_be_taken_for_the_end(bench, clock):
    made = bench(Script([STARTED, shot(1)]), idle_end_s=5)
    made.all(1)
    clock.sleep(5.1)

    made.until(EndOfRun)


def wait_until(true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_inbox_loses_the_oldest_events_and_counts_them():
    run = Message(kind=Kind.RUN)
    script = Script([run, *[shot(i, i) for i in range(10)]])
    event_buffer = EventBuffer(script.receive, most=4, lossless=False)

    wait_until(lambda: event_buffer.lost == 7)
    taken = event_buffer.take(64, 0.0)
    script.kill()
    event_buffer.close()

    assert taken[0].kind is Kind.RUN
    assert [message.stamp >> 32 for message in taken[1:]] == [7, 8, 9]


def test_a_full_inbox_of_a_run_lets_psana_wait_and_loses_nothing():
    script = Script([shot(i) for i in range(50)], dies=True)
    event_buffer = EventBuffer(script.receive, most=4, lossless=True)
    stamps = []

    while not event_buffer.ended:
        stamps += [message.stamp >> 32 for message in event_buffer.take(3, 0.01)]
    event_buffer.close()

    assert stamps == list(range(50))
    assert event_buffer.lost == 0


def test_only_the_last_times_are_remembered():
    duplicates = DuplicateFilter(3)

    assert [duplicates.is_new(stamp) for stamp in (1, 2, 1, 3, 4, 2, 1)] == [
        True,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
