"""Whole runs in one process, stepped by hand: a collector with its workers."""

import itertools

import numpy as np
import pytest

from specklenn.core.data.shots import InMemorySource
from specklenn.core.labels import all_classes
from specklenn.plugin.console.run_progress import NoProgress
from specklenn.plugin.live.collector import Collector
from specklenn.plugin.live.follow_run import RunFollower
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.live.worker import Worker, WorkerOptions
from specklenn.plugin.parallel.channel import in_memory_channels


class Kept:
    """A sink and a publisher that remember."""

    def __init__(self):
        self.reports, self.snapshots, self.closed = [], [], False
        self.versions = []

    def use(self, version):
        self.versions.append(version)

    def write(self, report):
        self.reports.append(report)

    def flush(self):
        pass

    def publish(self, snapshot):
        self.snapshots.append(snapshot)

    def close(self):
        self.closed = True

    @property
    def rows(self):
        return np.concatenate([report.rows for report in self.reports])


class Asked:
    """Update requests that a test puts in."""

    def __init__(self):
        self.waiting, self.closed = [], False

    def next(self):
        return self.waiting.pop(0) if self.waiting else None

    def close(self):
        self.closed = True


class Bench:
    """A collector with its workers; ``pipelines`` is one, or one for each worker."""

    def __init__(
        self, clock, pipelines, sources, scheduler, batch_shots=16, follow_run=False
    ):
        ranks = list(range(1, len(sources) + 1))
        if not isinstance(pipelines, list):
            pipelines = [pipelines] * len(ranks)
        self.ours, theirs = in_memory_channels(ranks)
        self.kept, self.clock, self.update_requests = Kept(), clock, Asked()
        classifier = pipelines[0].classifier
        facts = RunFacts(
            experiment="test",
            run=94,
            classes=all_classes(classifier.classes),
            support_classes=classifier.classes,
            expected_shots=scheduler.expected,
        )
        first = Version(
            model=classifier.model.card.name,
            weights_sha256=classifier.model.card.sha256,
            rule=classifier.rule,
            support_version=classifier.supports.version,
            support_hash=classifier.supports.content_hash,
        )
        state = RunState(
            facts=facts,
            first=first,
            workers=ranks,
            examples_per_class=3,
            now_s=clock.monotonic(),
        )
        self.numbers, sinks, requests = itertools.count(2), [], self.update_requests
        if follow_run:
            requests = RunFollower(requests, state, self.numbers)
            sinks = [requests]
        self.collector = Collector(
            self.ours,
            scheduler,
            state,
            [self.kept, *sinks],
            self.kept,
            NoProgress(),
            clock,
            update_requests=requests,
        )
        options = WorkerOptions(
            host="node",
            batch_shots=batch_shots,
            save_classes=("multi-hit",),
            follow_run=follow_run,
        )
        self.workers = [
            Worker(theirs[rank], source, pipeline, options, clock)
            for rank, source, pipeline in zip(ranks, sources, pipelines, strict=True)
        ]

    def step(self, times=1):
        for _ in range(times):
            for worker in self.workers:
                worker.step()
            self.collector.step()
            self.clock.sleep(0.01)

    def run(self, steps=2000):
        for _ in range(steps):
            self.step()
            if self.collector.finished:
                self.collector.close()
                return
        raise AssertionError("the run did not end")

    @property
    def state(self):
        return self.collector.state


@pytest.fixture
def make_bench():
    return Bench


def _opener(shots, spoil=None):
    source = InMemorySource(list(shots[0]), shots[1].tolist())
    if spoil:
        read = source.read
        source.read = lambda start, stop: spoil(read, start, stop)
    return lambda: source


@pytest.fixture
def opener():
    """Return a function that opens a source of given shots."""
    return _opener


@pytest.fixture
def shots(draw_shots):
    return draw_shots(203)
