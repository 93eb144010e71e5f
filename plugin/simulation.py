"""Writes simulated runs: by one process, by many, by ranks, or live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specklenn.core.data.assembly import Assembly
from specklenn.core.data.labelled_dataset import DATA, LABEL, MASK, open_file
from specklenn.core.data.shots import Shots
from specklenn.core.errors import EndOfRun
from specklenn.core.labels import SIMULATED
from specklenn.core.simulation.pools import PooledSimulator
from specklenn.core.simulation.simulated_file import PIXELS, RunFile
from specklenn.core.simulation.simulation_job import BlockMaker, Task
from specklenn.core.simulation.simulator import SimulatedShots
from specklenn.plugin.console.progress_bar import WorkProgress
from specklenn.plugin.parallel.block_pool import Team
from specklenn.plugin.parallel.clock import SystemClock
from specklenn.plugin.parallel.mpi_job import Stop
from specklenn.plugin.parallel.processes import WorkerProcesses, cores
from specklenn.plugin.sources.simulated import SimulatedStream

if TYPE_CHECKING:
    from mpi4py import MPI

WORTH_A_PROCESS = 4
"""Blocks for each process below which starting it takes longer than it saves."""

MAKE_WORK = "specklenn.core.simulation.simulation_job:make_work"

LIVE_INTERVAL_S = 0.1
EXAMPLES = 8


def write(
    task: Task,
    path: Path,
    processes: int | None,
    communicator: MPI.Intracomm | None,
    stop: Stop,
) -> None:
    """Write a simulated run, or what is missing of it.

    Parameters
    ----------
    task : Task
    path : Path
    processes : int or None
        Worker processes; one per core by default. Not used with a communicator.
    communicator : MPI communicator or None
        Of a job whose other ranks work for this one.
    stop : Stop
        Looked at behind every block.

    Raises
    ------
    DataError
        If a worker fails or the file cannot be written.
    KeyboardInterrupt
        If it was stopped.
    """
    maker = BlockMaker(task)
    file = RunFile(path, task, maker.factory)
    first = len(file) // task.block_shots
    skip = len(file) % task.block_shots
    complete = False
    try:
        with (
            WorkProgress(path.name, task.shots, len(file)) as progress,
            _team(task, maker, task.blocks - first, processes, communicator) as team,
        ):
            results = team.results(first, task.blocks)
            for block, packed in enumerate(results, first):
                shots = maker.unpack(block, packed).behind(skip)
                file.append(shots)
                progress.advance(len(shots.patterns))
                skip = 0
                stop.obey()
        complete = True
    finally:
        file.close(complete=complete)


def write_live(task: Task, path: Path, stop: Stop) -> int:
    """Write a run shot by shot as it would happen; returns how many were missed.

    Parameters
    ----------
    task : Task
        Its shots are drawn from a pool, made before the first one.
    path : Path
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
    factory = _Recorded(task.experiment)
    rate_hz = task.live_Hz or 1.0
    stream = SimulatedStream(
        factory,
        shots=task.shots,
        rate_hz=rate_hz,
        worker=0,
        workers=1,
        buffer_shots=max(1, round(2 * rate_hz)),
        clock=clock,
    )
    file = RunFile(path, task, factory.factory)
    complete = False
    try:
        with WorkProgress(path.name, task.shots) as progress:
            stream.start(clock.wall_ns())
            while (shots := _next(stream, rate_hz, stop)) is not None:
                file.append(factory.last, shots.timestamp_ns)
                progress.advance(len(shots.index))
        complete = True
    finally:
        file.close(complete=complete)
    return stream.missed


def draw_preview(path: Path, sheet: Path) -> None:
    """Draw examples of every class of a run, modules put where they are.

    Parameters
    ----------
    path : Path
        Of a simulated run.
    sheet : Path
        PNG file to write.
    """
    from specklenn.core.simulation.contact_sheet import draw_contact_sheet

    with open_file(path) as file:
        assembly = Assembly(file[PIXELS][()])
        labels = file[LABEL].asstr()[()]
        rows = {}
        for label in SIMULATED:
            found = np.flatnonzero(labels == label)
            if len(found):
                spread = np.linspace(0, len(found) - 1, min(EXAMPLES, len(found)))
                frames = file[DATA][found[spread.astype(int)]]
                rows[label] = assembly.pictures(frames).astype(np.float32)
        (bad,) = assembly.pictures(file[MASK][()][None]).astype(bool)
    draw_contact_sheet(sheet, rows, bad | assembly.empty, path.name)


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
def _team(
    task: Task,
    maker: BlockMaker,
    blocks: int,
    processes: int | None,
    communicator: MPI.Intracomm | None,
) -> Iterator[Team]:
    """Give a team of ranks, of processes, or of one."""
    clock = SystemClock()
    if communicator is not None:
        from specklenn.plugin.parallel.mpi_channel import MpiChannel

        channel = MpiChannel(communicator)
        team = Team(channel, range(1, channel.size), maker.make, clock)
        yield team
        team.stop()
        channel.flush()
        return
    number = processes or min(cores(), blocks // WORTH_A_PROCESS)
    if number < 2:
        yield Team(None, [], maker.make, clock)
        return
    workers = WorkerProcesses(number, MAKE_WORK, task.model_dump_json())
    with workers as pipes:
        team = Team(pipes, workers.ranks, None, clock)
        yield team
        team.stop()
