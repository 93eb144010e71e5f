"""The main job: one rank's view of a prepared run, on one process or on many."""

from __future__ import annotations

import io
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from specklenn.core.config.loading import LoadedConfig, resolved_yaml
from specklenn.core.config.run_config import Config
from specklenn.core.data.atomic import replacing
from specklenn.core.data.emc import EmcSummary, hits_to_emc
from specklenn.core.data.hits import HITS
from specklenn.core.data.shots import ShotSource
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.results import RESULTS
from specklenn.plugin.console.run_progress import (
    NoProgress,
    TerminalProgress,
    seen_on_terminal,
)
from specklenn.plugin.console.summary import print_summary
from specklenn.plugin.control.server import ControlServer
from specklenn.plugin.control.update_builder import UpdateBuilder
from specklenn.plugin.live.collector import Collector
from specklenn.plugin.live.follow_run import RunFollower
from specklenn.plugin.live.metrics_server import MetricsServer
from specklenn.plugin.live.outputs import Publisher, Sink
from specklenn.plugin.live.publish import Publishers, ZmqPublisher
from specklenn.plugin.live.results import HitsFile, ResultsFile
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.scheduler import Scheduler, make_scheduler
from specklenn.plugin.live.swap_coordinator import UpdateRequests
from specklenn.plugin.live.worker import Worker, WorkerOptions
from specklenn.plugin.parallel.channel import Channel, in_memory_channels
from specklenn.plugin.parallel.clock import Backoff, Clock, SystemClock
from specklenn.plugin.parallel.mpi_job import hostname
from specklenn.plugin.say import remark, say
from specklenn.plugin.signals import on_signals
from specklenn.plugin.startup import PreparedRun, make_source, prepare_run
from specklenn.plugin.startup_area import modules_of

log = logging.getLogger(__name__)

INTERRUPTED = 130
EMC = "hits.emc"
CONFIG = "config.yaml"


def check_command(loaded: LoadedConfig, name: str) -> None:
    """Refuse a configuration whose source another command runs.

    Raises
    ------
    ConfigError
    """
    source = loaded.settings.source
    if source.command != name:
        where = loaded.where("source", "kind")
        raise ConfigError(
            f"{where}: {source.kind!r} found, which `specklenn {source.command}` runs, "
            f"not `specklenn {name}`"
        )


class Job:
    """One rank's view of a prepared run, whoever steps its loop."""

    def __init__(self, loaded: LoadedConfig, rank: int, size: int) -> None:
        self.loaded = loaded
        self.config: Config = loaded.settings
        self.rank = rank
        self.workers = list(range(1, size)) or [0]
        self.clock: Clock = SystemClock()
        self.prepared: PreparedRun = prepare_run(loaded, rank)
        self.publisher: Publisher = Publishers([])
        if rank == 0:
            self.folder = make_output_folder(loaded)
            self.publisher = make_publisher(self.config, self.clock)
            self.state = RunState(
                facts=self.prepared.facts,
                first=self.prepared.first,
                workers=self.workers,
                examples_per_class=self.config.publish.examples_per_class,
                now_s=self.clock.monotonic(),
                support_notes=self.prepared.support_notes,
            )
            self.update_requests, self._follower = self._update_requests()

    def run_alone(self, quiet: bool) -> int:
        """Both roles in turn, in one process."""
        ours, theirs = in_memory_channels([0])
        collector = self.collector(ours, quiet)
        worker = self.worker(theirs[0], self._opener(0))
        backoff = Backoff(self.clock)
        with on_signals(collector.interrupt):
            try:
                while not collector.finished:
                    worked = worker.step()
                    backoff.after(collector.step() or worked)
            finally:
                collector.close()
                worker.close()
        return self.finish(collector)

    def run_collector(self, channel: Channel, quiet: bool) -> int:
        """Rank 0 of many."""
        collector = self.collector(channel, quiet)
        with on_signals(collector.interrupt):
            collector.run()
        return self.finish(collector)

    def run_worker(self, channel: Channel) -> int:
        """Any other rank; the collector decides when it ends."""
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
        with on_signals(lambda: None):
            worker = self.worker(channel, self._opener(self.rank - 1))
            return worker.run()

    def _opener(self, number: int) -> Callable[[], ShotSource]:
        workers = len(self.workers)
        return lambda: make_source(self.loaded, self.prepared, number, workers)

    def worker(self, channel: Channel, open_source: Callable[[], ShotSource]) -> Worker:
        """Return a worker that takes its shots from a source."""
        config = self.config
        return Worker(
            channel,
            open_source,
            self.prepared.pipeline,
            WorkerOptions(
                host=hostname(),
                batch_shots=config.loop.batch_shots,
                live_wait_s=config.loop.live_wait_ms / 1000,
                save_classes=tuple(config.output.save_classes),
                examples_per_class=config.publish.examples_per_class,
                example_interval_s=1 / config.publish.rate_Hz,
                follow_run=config.classify.follow_run,
            ),
            self.clock,
        )

    def collector(self, channel: Channel, quiet: bool, *more: Sink) -> Collector:
        """Return the collector with its files, and open the log."""
        config, prepared = self.config, self.prepared
        _log_to(self.folder / "run.log")
        text = resolved_yaml(config)
        with replacing(self.folder / CONFIG) as (part,):
            part.write_text(text, encoding="utf-8")
        log.info("resolved configuration:\n%s", text)
        log.info("%s", prepared.facts.masked)
        live = prepared.pipeline.classifier.preprocessor.live_share
        log.info("%s", config.hit_finder.words(live))
        for note in self.state.notes:
            log.warning("%s", note)
            remark(note)
        return Collector(
            channel,
            self._scheduler(),
            self.state,
            [
                HitsFile(
                    self.folder / HITS,
                    prepared.facts,
                    prepared.shape,
                    prepared.mask,
                    prepared.photon_dtype,
                    modules_of(self.loaded, prepared.source),
                ),
                ResultsFile(self.folder / RESULTS, prepared.facts, text),
                *self._follower,
                *more,
            ],
            self.publisher,
            NoProgress() if quiet else TerminalProgress(sys.stdout),
            self.clock,
            1 / config.publish.rate_Hz,
            self.update_requests,
        )

    def _update_requests(self) -> tuple[UpdateRequests | None, list[RunFollower]]:
        """Return where updates come from, and the sink of those of the run itself."""
        numbers = itertools.count(self.prepared.first.number + 1)
        asked = self._control_server(numbers)
        if not self.config.classify.follow_run:
            return asked, []
        follower = RunFollower(asked, self.state, numbers)
        return follower, [follower]

    def _control_server(self, numbers: Iterator[int]) -> ControlServer | None:
        control, pipeline = self.config.control, self.prepared.pipeline
        if not control.enabled:
            return None
        weights = self.prepared.weights
        builder = UpdateBuilder(pipeline, weights, self.config.preprocess, numbers)
        return ControlServer(
            control.endpoint, builder, self.state, self.clock, control.keys
        )

    def _scheduler(self) -> Scheduler:
        return make_scheduler(
            self.prepared.source,
            self.workers,
            self.config.loop.lease_shots,
            self.prepared.facts.expected_shots,
        )

    def finish(self, collector: Collector) -> int:
        """Print the summary of a run that has ended; returns the exit code."""
        made = self._emc(collector)
        names = [RESULTS, HITS, *([EMC] if made and made.frames else []), "run.log"]
        files = [self.folder / name for name in names]
        console = Console(
            soft_wrap=True,
            highlight=False,
            force_terminal=seen_on_terminal(sys.stdout),
        )
        notes = [made.note] if made and made.note else []
        print_summary(collector.state, files, console, notes)
        text = io.StringIO()
        print_summary(collector.state, files, Console(file=text, width=100), notes)
        log.info("summary:\n%s", text.getvalue())
        if not collector.state.failures and not collector.interrupted:
            say(f"see how pure its classes are: specklenn purity {self.folder}")
        sys.stdout.flush()
        if collector.cannot_write:
            # HDF5 would crash at exit, trying once more to write what it could not.
            os._exit(1)
        if collector.interrupted:
            return INTERRUPTED
        return 1 if collector.state.failures else 0

    def _emc(self, collector: Collector) -> EmcSummary | None:
        """Make hits.emc of hits.cxi where it is asked for; None if it cannot be."""
        if not self.config.output.emc or collector.cannot_write:
            return None
        try:
            made = hits_to_emc(self.folder / HITS, self.folder / EMC)
        except DataError as error:
            log.error("%s", error)
            collector.state.failures.append(str(error))
            return None
        if made.note:
            log.warning("%s", made.note)
        return made


def make_output_folder(loaded: LoadedConfig) -> Path:
    """Create the folder for results and check that it can be written.

    Raises
    ------
    ConfigError
        If it cannot, or holds results that must not be replaced.
    """
    config = loaded.settings
    folder, where = config.output_folder, loaded.where("output", "folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{where}: {folder} cannot be written: {error.strerror}"
        ) from error
    if (folder / RESULTS).exists() and not config.output.overwrite:
        raise ConfigError(
            f"{where}: {folder} holds results already; choose another folder or "
            "--set output.overwrite=true"
        )
    (folder / EMC).unlink(missing_ok=True)  # an earlier run's
    return folder


def make_publisher(config: Config, clock: Clock) -> Publisher:
    """Return the publishers that the configuration asks for, as one."""
    made: list[Publisher] = []
    if config.publish.enabled:
        made.append(ZmqPublisher(config.publish.endpoint, clock, config.publish.keys))
    if config.metrics.enabled:
        made.append(MetricsServer(config.metrics, clock))
    return Publishers(made)


def _log_to(path: Path) -> None:
    try:
        handler = logging.FileHandler(path, mode="w")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.raiseExceptions = False  # a log that cannot be written stops nothing
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
