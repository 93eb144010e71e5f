"""Rows a second through the loop with a classifier that does nothing.

Run ``python benchmarks/loop.py`` for both roles in one process, or
``mpirun -n 3 python benchmarks/loop.py`` for the loop over MPI. The rows go all
the way: lease, report, seen shots, class counts, ``results.h5``. The yardstick is a
plain per-shot PyTorch loop of the paper's network, measured in the same run.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from plain_loop import PlainLoop, per_second, some_frames

from specklenn.core.data.shots import Shots
from specklenn.core.labels import all_classes
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.pipeline import ClassifiedBatch
from specklenn.core.rows import empty_rows
from specklenn.plugin.console.run_progress import NoProgress
from specklenn.plugin.live.collector import Collector
from specklenn.plugin.live.publish import Publishers
from specklenn.plugin.live.results import ResultsFile
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.scheduler import FileScheduler
from specklenn.plugin.live.versions import Version
from specklenn.plugin.live.worker import Worker, WorkerOptions
from specklenn.plugin.parallel.channel import Channel, in_memory_channels
from specklenn.plugin.parallel.clock import SystemClock

SHOTS = 2_000_000
BATCH = 4096
SUPPORTED = ("single-hit", "multi-hit", "non-sample-hit")
FACTS = RunFacts(
    experiment="benchmark",
    run=0,
    classes=all_classes(SUPPORTED),
    support_classes=SUPPORTED,
    expected_shots=SHOTS,
)
FIRST = Version(
    model="none", weights_sha256="", rule="mean", support_version=1, support_hash=""
)


class Numbers:
    """A run of shots without pictures."""

    shape = (1, 1)
    first = 0
    frames = np.zeros((BATCH, 1, 1), np.uint16)

    def __len__(self) -> int:
        return SHOTS

    def read(self, start: int, stop: int) -> Shots:
        """Return the next shots."""
        number = stop - start
        return Shots(
            index=np.arange(start, stop),
            timestamp_ns=np.zeros(number, np.uint64),
            arrived_ns=np.full(number, time.time_ns(), np.uint64),
            frames=self.frames[:number],
            flags=np.zeros(number, np.uint16),
            truth=np.full(number, ""),
        )

    def close(self) -> None:
        """Nothing is open."""


class DoNothing:
    """Calls every shot a single-hit without looking."""

    classes = FACTS.classes
    classifier = SimpleNamespace(classes=SUPPORTED)

    def classify(self, shots: Shots) -> ClassifiedBatch:
        """Return rows at once."""
        rows = empty_rows(len(shots), len(SUPPORTED))
        rows["index"] = shots.index
        rows["arrived_ns"] = shots.arrived_ns
        rows["label"] = 0
        return ClassifiedBatch(
            rows=rows, photons=np.zeros((len(shots), 1, 1), np.float32)
        )


def make_worker(channel: Channel) -> Worker:
    """Return a worker that does nothing."""
    options = WorkerOptions(host="here", batch_shots=BATCH, examples_per_class=0)
    return Worker(channel, Numbers, DoNothing(), options, SystemClock())


def make_collector(channel: Channel, workers: list[int], folder: str) -> Collector:
    """Return a collector that writes results.h5."""
    clock = SystemClock()
    return Collector(
        channel,
        FileScheduler(SHOTS, len(workers), lease_shots=4 * BATCH),
        RunState(
            facts=FACTS,
            first=FIRST,
            workers=workers,
            examples_per_class=0,
            now_s=clock.monotonic(),
        ),
        [ResultsFile(Path(folder) / "results.h5", FACTS, "")],
        Publishers([]),
        NoProgress(),
        clock,
    )


def alone(folder: str) -> float:
    """Return rows a second with both roles in one process."""
    ours, theirs = in_memory_channels([0])
    collector, worker = make_collector(ours, [0], folder), make_worker(theirs[0])
    start = time.perf_counter()
    while not collector.finished:
        worker.step()
        collector.step()
    collector.close()
    return SHOTS / (time.perf_counter() - start)


def over_mpi(folder: str) -> float | None:
    """Return rows a second over MPI, on rank 0."""
    from mpi4py import MPI

    from specklenn.plugin.parallel.mpi_channel import MpiChannel

    channel = MpiChannel(MPI.COMM_WORLD)
    if channel.rank:
        make_worker(channel).run()
        return None
    workers = list(range(1, channel.size))
    collector = make_collector(channel, workers, folder)
    start = time.perf_counter()
    collector.run()
    return SHOTS / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    launched = int(os.environ.get("OMPI_COMM_WORLD_SIZE", "1")) > 1
    with tempfile.TemporaryDirectory() as folder:
        rate = over_mpi(folder) if launched else alone(folder)
    if rate is None:
        return
    torch.set_num_threads(1)
    loop, frames = PlainLoop(Encoder(96)), some_frames(64)
    plain = per_second(lambda: [loop(frame) for frame in frames], 64)
    print(f"plain per-shot loop, 96 x 96:   {plain:10.0f} shots/s")
    print(f"rows through the loop:          {rate:10.0f} rows/s")
    print(f"ratio:                          {rate / plain:10.0f}")


if __name__ == "__main__":
    main()
