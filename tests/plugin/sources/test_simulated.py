from types import SimpleNamespace

import numpy as np
import pytest

from specklenn.core.errors import EndOfRun
from specklenn.plugin.sources.simulated import SimulatedStream


class ShotSimulator:
    def shots(self, indices):
        patterns = np.repeat(indices, 4).reshape(-1, 2, 2).astype(np.float32)
        return SimpleNamespace(patterns=patterns, labels=indices.astype(str))


def stream(clock, worker=0, workers=1, shots=100, buffer=50):
    made = SimulatedStream(
        ShotSimulator(),
        shots=shots,
        rate_hz=100.0,
        worker=worker,
        workers=workers,
        buffer_shots=buffer,
        clock=clock,
    )
    made.start(clock.wall_ns())
    return made


def drain(source, most=64, timeout=0.005):
    while True:
        try:
            batch = source.receive(most, timeout)
        except EndOfRun:
            return
        if batch is not None:
            yield batch


def test_shots_come_at_their_rate_and_not_before(clock):
    begin, source = clock.wall_ns(), stream(clock)

    for batch in drain(source):
        happened = begin + batch.index * 10_000_000
        assert np.abs(batch.timestamp_ns.astype(np.int64) - happened).max() < 1000
        assert clock.wall_ns() >= batch.timestamp_ns[-1] - 1000
        assert (clock.wall_ns() - batch.timestamp_ns[-1].astype(np.int64)) < 1e7
    assert clock.wall_ns() - begin == pytest.approx(0.99e9, abs=2e7)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_workers_shares_make_up_the_run(clock, workers):
    sources = [stream(clock, k, workers) for k in range(workers)]
    clock.sleep(0.5)

    indices = [
        index
        for source in sources
        for batch in drain(source)
        for index in batch.index.tolist()
    ]

    lost = sum(source.missed for source in sources)
    assert len(set(indices)) == len(indices)
    assert len(indices) + lost == 100


def test_a_slow_worker_loses_the_oldest_shots_and_counts_them(clock):
    source = stream(clock, buffer=5)
    clock.sleep(0.295)

    batch = source.receive(64, 0.005)

    assert batch.index.tolist() == [25, 26, 27, 28, 29]
    assert source.missed == 25


def test_frames_and_truth_belong_to_their_shot(clock):
    source = stream(clock)
    clock.sleep(0.1)

    batch = source.receive(4, 0.005)

    assert batch.frames[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert batch.truth.tolist() == ["0", "1", "2", "3"]
