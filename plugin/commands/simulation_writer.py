"""Writes a simulated run: by one process, by many, by ranks, or live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import Shots
from specklenn.core.errors import EndOfRun
from specklenn.core.simulation.simulated_file import SimulatedFile
from specklenn.core.simulation.simulation_job import BlockMaker, SimulationJob
from specklenn.core.simulation.simulator import PooledSimulator, SimulatedShots
from specklenn.plugin.console.progress_bar import WorkProgress
from specklenn.plugin.parallel.block_pool import BlockPool
from specklenn.plugin.parallel.clock import SystemClock
from specklenn.plugin.parallel.processes import cores, worker_processes
from specklenn.plugin.signals import Stop
from specklenn.plugin.sources.simulated import SimulatedStream

if TYPE_CHECKING:
    from mpi4py import MPI

WORTH_A_PROCESS = 4
"""Blocks for each process below which starting it takes longer than it saves."""

MAKE_WORK = "specklenn.core.simulation.simulation_job:make_work"

LIVE_INTERVAL_S = 0.1


def write(
    job: SimulationJob,
    path: Path,
    processes: int | None,
    communicator: MPI.Intracomm | None,
    stop: Stop,
) -> None:
    """Write a simulated run, or what is missing of it.

    Parameters
    ----------
    processes : int or None
        Worker processes; one per core by default. Not used with a communicator.
    communicator : MPI communicator or None
        That of a job whose other ranks work for this one.
    stop : Stop
        Looked at behind every block.

    Raises
    ------
    DataError
        If a worker fails or the file cannot be written.
    KeyboardInterrupt
        If it was stopped.
    """
    maker = BlockMaker(job)
    file = SimulatedFile(path, job, maker.simulator)
    first = len(file) // job.block_shots
    skip = len(file) % job.block_shots
    complete = False
    try:
        with (
            WorkProgress(path.name, job.shots, len(file)) as progress,
            _pool(job, maker, job.blocks - first, processes, communicator) as pool,
        ):
            results = pool.results(first, job.blocks)
            for block, packed in enumerate(results, first):
                shots = maker.unpack(block, packed).behind(skip)
                file.append(shots)
                progress.advance(len(shots.patterns))
                skip = 0
                stop.obey()
        complete = True
    finally:
        file.close(complete=complete)


def write_live(job: SimulationJob, path: Path, stop: Stop) -> int:
    """Write a run shot by shot as it would happen; returns how many were missed.

    Parameters
    ----------
    job : SimulationJob
        Its shots are drawn from a pool, made before the first one.
    stop : Stop
        Looked at several times a second.

    Raises
    ------
    DataError
        If the file cannot be written.
    KeyboardInterrupt
        If it was stopped.
    """
    clock = SystemClock()
    simulator = _Recorded(job.experiment)
    rate_hz = job.live_Hz or 1.0
    stream = SimulatedStream(
        simulator,
        shots=job.shots,
        rate_hz=rate_hz,
        worker=0,
        workers=1,
        buffer_shots=max(1, round(2 * rate_hz)),
        clock=clock,
    )
    file = SimulatedFile(path, job, simulator.simulator)
    complete = False
    try:
        with WorkProgress(path.name, job.shots) as progress:
            stream.start(clock.wall_ns())
            while (shots := _next(stream, rate_hz, stop)) is not None:
                file.append(simulator.last, shots.timestamp_ns)
                progress.advance(len(shots.index))
        complete = True
    finally:
        file.close(complete=complete)
    return stream.missed


class _Recorded(PooledSimulator):
    """Remembers the shots that it gave last, with all that is known of them."""

    last: SimulatedShots

    def shots(self, indices: npt.NDArray[np.int64]) -> SimulatedShots:
        """Draw the shots of these numbers."""
        self.last = super().shots(indices)
        return self.last


def _next(stream: SimulatedStream, rate_hz: float, stop: Stop) -> Shots | None:
    """Wait for the next shots of a stream; None behind the last one."""
    most = max(1, round(rate_hz * LIVE_INTERVAL_S))
    try:
        stop.obey()
        while (shots := stream.receive(most, LIVE_INTERVAL_S)) is None:
            stop.obey()
    except EndOfRun:
        return None
    return shots


@contextmanager
def _pool(
    job: SimulationJob,
    maker: BlockMaker,
    blocks: int,
    processes: int | None,
    communicator: MPI.Intracomm | None,
) -> Iterator[BlockPool]:
    """Give a block pool of ranks, of processes, or of one."""
    clock = SystemClock()
    if communicator is not None:
        from specklenn.plugin.parallel.mpi_channel import MpiChannel

        channel = MpiChannel(communicator)
        pool = BlockPool(channel, range(1, channel.size), maker.make, clock)
        yield pool
        pool.stop()
        channel.flush()
        return
    number = processes or min(cores(), blocks // WORTH_A_PROCESS)
    if number < 2:
        yield BlockPool(None, [], maker.make, clock)
        return
    with worker_processes(number, MAKE_WORK, job.model_dump_json()) as pipes:
        pool = BlockPool(pipes, range(1, number + 1), None, clock)
        yield pool
        pool.stop()
