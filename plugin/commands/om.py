"""``specklenn om``: our classifier as the processing layer of OM, on OM's own loop."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.config.loading import LoadedConfig, check_config
from specklenn.core.errors import ConfigError
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    add_quiet_argument,
    read_config,
)
from specklenn.plugin.job import Job, check_command
from specklenn.plugin.live.publish import Publishers
from specklenn.plugin.om import host
from specklenn.plugin.om.collecting import CollectingNode, RunEndedError
from specklenn.plugin.om.events import GuardedRetrieval
from specklenn.plugin.om.processing import ProcessingNode, QueuedSource
from specklenn.plugin.om.settings import OmSettings
from specklenn.plugin.om.viewer import OmFrames
from specklenn.plugin.parallel.mpi_job import (
    end_all,
    ending_all,
    hostname,
    prepare_on_all,
    world,
)
from specklenn.plugin.signals import on_signals

if TYPE_CHECKING:
    from mpi4py import MPI


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn om",
        description="Classify inside OM (OnDA Monitor): OM retrieves the shots and "
        "runs the loop over MPI, specklenn is its processing layer.",
        epilog="Example:\n"
        "  mpirun -n 3 specklenn om om.yaml files.txt\n"
        "Rank 0 is OM's collecting node, the others are its processing nodes.\n"
        "Watch it with `specklenn monitor`, or single hits with `om_frame_viewer.py`.",
    )
    add_config_arguments(made)
    made.add_argument(
        "source",
        help="OM's SOURCE, what its data retrieval layer reads: the name of a list of "
        "files, exp=...:run=..., an address",
    )
    add_quiet_argument(made)
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code, or ends all ranks where one failed."""
    options = _parser().parse_args(arguments)
    communicator = world()
    if communicator is None or communicator.Get_size() < 2:
        raise ConfigError(
            "OM needs a collecting and at least one processing node: start it as "
            "`mpirun -n 2 specklenn om CONFIG SOURCE`, or with more"
        )
    with ending_all(communicator):
        rank = prepare_on_all(communicator, lambda: _Rank(options, communicator))
        if isinstance(rank, int):
            return rank
        try:
            return rank.run()
        except RunEndedError as over:
            # Where one rank is gone, OM leaves the others waiting.
            end_all(communicator, over.code, over.failures)
            return over.code


class _Rank:
    """One rank of the job, with everything built that can be refused."""

    def __init__(
        self, options: argparse.Namespace, communicator: MPI.Intracomm
    ) -> None:
        rank, size = communicator.Get_rank(), communicator.Get_size()
        loaded = check_config(read_config(options, rank))
        path = Path(loaded.document.source)
        check_command(loaded, "om")
        settings = loaded.settings.source
        assert isinstance(settings, OmSettings)
        self._job = _prepare_job(loaded, rank, size)
        given = host.parameters(settings.groups, path, options.source, size)
        data = host.retrieval(settings.om.data_retrieval_layer, given, options.source)
        guarded = GuardedRetrieval(data, self._job.clock)
        if rank == 0:
            node = self._collecting(settings, options.quiet)
            self._node: CollectingNode | ProcessingNode = node
            self._interrupt = node.interrupt
        else:
            self._node = self._processing(rank)
            self._interrupt = guarded.events.stop
        self._loop = host.loop(self._node, guarded, given)

    def run(self) -> int:
        """Let OM run to its end; returns the exit code."""
        with on_signals(self._interrupt), suppress(SystemExit):
            self._loop.start()
        return self._node.code

    def _collecting(self, settings: OmSettings, quiet: bool) -> CollectingNode:
        job, viewer = self._job, settings.viewer
        more: list[OmFrames] = []
        if viewer.enabled:
            more.append(OmFrames(host.broadcaster(viewer.endpoint)))
        job.publisher = Publishers([job.publisher, *more])
        return CollectingNode(
            lambda channel: job.collector(channel, quiet, *more),
            job.workers,
            job.finish,
            job.clock,
        )

    def _processing(self, rank: int) -> ProcessingNode:
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
        job, loop = self._job, self._job.config.loop
        return ProcessingNode(
            job.worker,
            QueuedSource(rank - 1, len(job.workers), job.prepared.shape),
            rank,
            hostname(),
            loop.batch_shots,
            loop.live_wait_ms / 1000,
            job.clock,
        )


def _prepare_job(loaded: LoadedConfig, rank: int, size: int) -> Job:
    """Return a rank's view of the run; updates of the model do not go through OM."""
    problems: list[str] = []
    if loaded.settings.control.enabled:
        where = loaded.where("control", "enabled")
        problems.append(
            f"{where}: true found, expected false: OM's loop carries no requests"
        )
    if loaded.settings.classify.follow_run:
        where = loaded.where("classify", "follow_run")
        problems.append(f"{where}: true found, expected false: OM's loop has no swaps")
    try:
        job = Job(loaded, rank, size)
    except ConfigError as error:
        raise ConfigError(*problems, *error.problems) from error
    if problems:
        raise ConfigError(*problems)
    return job
