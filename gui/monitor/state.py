"""The window's one state: everything that was received, merged; no Qt."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from specklenn.core.intervals import wilson_interval
from specklenn.core.messages import RankStatus, Snapshot, VersionStatus
from specklenn.gui.common import formats
from specklenn.gui.monitor.examples import NewestExamples
from specklenn.gui.monitor.history import History, RateSeries
from specklenn.gui.monitor.intervals import Counts, histogram_quantiles
from specklenn.gui.monitor.marks import Marks
from specklenn.gui.monitor.view import (
    Choices,
    ClassRate,
    Freshness,
    Header,
    VersionRates,
    View,
)

LIVE_S = 2.0
STALE_S = 10.0
RANK_SILENT_S = 5.0
SHOT_RATE_OVER_S = 10.0
LATENCY_OVER_S = 60.0
DAY_S = 86_400.0

BOXCARS_S = (2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Lengths of the moving average that a person can choose."""


class MonitorState:
    """Snapshots of one stream, merged over losses and restarts.

    Parameters
    ----------
    clock : callable
        Seconds of this machine, for the age of the last message.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._received_s = clock()
        self._newest: Snapshot | None = None
        self._history = History(0)
        self._marks = Marks()
        self._examples = NewestExamples()
        self._latency: deque[tuple[float, Counts]] = deque()
        self._drawn: tuple[object, RateSeries] | None = None

    @property
    def newest(self) -> Snapshot | None:
        """The last snapshot that was merged."""
        return self._newest

    def merge(self, snapshot: Snapshot) -> bool:
        """Take over a snapshot; False if it is older than what is known."""
        before = self._newest
        if before is not None and self._is_late(snapshot, before):
            return False
        self._received_s = self._clock()
        self._newest = snapshot
        if before is None or before.classes != snapshot.classes:
            self._history = History(len(snapshot.classes))
            self._marks = Marks()
            self._latency.clear()
        elif before.session != snapshot.session:
            self._history.restart()
            self._latency.clear()
        self._marks.merge(before, snapshot)
        self._merge_counts(snapshot)
        self._examples.merge(snapshot, self._received_s)
        return True

    def freshness(self) -> Freshness:
        """Return what the last message's age and the run's reported state mean."""
        if self._newest is None:
            return Freshness.WAITING
        said = self._newest.state
        if said in ("finished", "failed"):
            return Freshness[said.upper()]
        age_s = self.age_s()
        if age_s >= LIVE_S:
            return Freshness.STALE if age_s <= STALE_S else Freshness.DISCONNECTED
        return Freshness.WAITING if said == "waiting" else Freshness.LIVE

    def age_s(self) -> float:
        """Seconds since the last message arrived here."""
        now = self._clock()
        self._received_s = min(self._received_s, now)
        return now - self._received_s

    def view(self, choices: Choices) -> View:
        """Everything to draw now."""
        newest = self._newest
        if newest is None:
            return View(freshness=Freshness.WAITING, age_s=self.age_s())
        rates, over_s = self._rates(newest, choices.window_s)
        return View(
            freshness=self.freshness(),
            age_s=self.age_s(),
            updated_s=newest.wall_ns / 1e9,
            header=self._header(newest),
            rates=rates,
            over_s=over_s,
            series=self._series(choices),
            examples={
                name: self._examples.seen(name, self._clock(), self.age_s())
                for name in newest.classes
            },
            versions=_by_version(newest),
            marks=self._marks.all,
            failures=newest.failures,
        )

    def _is_late(self, snapshot: Snapshot, before: Snapshot) -> bool:
        if snapshot.session == before.session:
            return snapshot.sequence <= before.sequence
        return snapshot.wall_ns < before.wall_ns and self.age_s() <= STALE_S

    def _merge_counts(self, snapshot: Snapshot) -> None:
        now_s = snapshot.wall_ns / 1e9
        self._history.merge(
            snapshot.history_s, snapshot.history_counts, now_s, snapshot.counts
        )
        recent = self._latency
        if recent and len(recent[-1][1]) != len(snapshot.latency_counts):
            recent.clear()
        if not recent or now_s - recent[-1][0] >= 1.0:
            recent.append((now_s, snapshot.latency_counts))
        while len(recent) > 1 and recent[1][0] <= now_s - LATENCY_OVER_S:
            recent.popleft()

    def _rates(
        self, newest: Snapshot, window_s: float | None
    ) -> tuple[tuple[ClassRate, ...], float]:
        if window_s is None:
            counts = newest.counts
            over_s = self._history.end_s - self._history.start_s
        else:
            counts, over_s = self._history.window(window_s)
        return _class_rates(newest.classes, counts, newest.counts), over_s

    def _series(self, choices: Choices) -> RateSeries:
        """Rates over time; the same object while nothing has changed."""
        asked = (self._history.revision, choices)
        if self._drawn is None or self._drawn[0] != asked:
            known_s = self._history.end_s - self._history.start_s
            length_s = min(choices.window_s or DAY_S, known_s)
            boxcar_s = choices.boxcar_s or fitting_boxcar(length_s)
            self._drawn = (asked, self._history.series(length_s, boxcar_s))
        return self._drawn[1]

    def _header(self, newest: Snapshot) -> Header:
        skipped = sorted(newest.skipped.items(), key=lambda item: -item[1])
        ended = newest.state in ("finished", "failed")
        return Header(
            snapshot=newest,
            skipped=tuple(skipped),
            shots_per_s=self._shots_per_s(DAY_S if ended else SHOT_RATE_OVER_S),
            latency_ms=self._latency_ms(newest),
            ranks_alive=sum(_is_alive(rank, ended) for rank in newest.ranks),
        )

    def _shots_per_s(self, over_s: float) -> float:
        counts, really_s = self._history.window(over_s)
        return int(counts.sum()) / really_s if really_s > 0 else float("nan")

    def _latency_ms(self, newest: Snapshot) -> tuple[float, float, float]:
        """Quantiles over the last minute, over the run if it had no shot then."""
        recent = newest.latency_counts - self._latency[0][1]
        counts = recent if recent.sum() > 0 else newest.latency_counts
        p50, p95, p99 = histogram_quantiles(
            newest.latency_edges_ms, np.maximum(counts, 0), (0.5, 0.95, 0.99)
        )
        return p50, p95, p99


def _class_rates(
    classes: tuple[str, ...], counts: Counts, totals: Counts
) -> tuple[ClassRate, ...]:
    """Return the rate of each class among some shots, and its shots in the run."""
    shots = int(counts.sum())
    low, high = wilson_interval(counts, shots)
    return tuple(
        ClassRate(
            name=name,
            hits=int(counts[i]),
            shots=shots,
            total=int(totals[i]),
            rate=int(counts[i]) / shots if shots else float("nan"),
            low=float(low[i]),
            high=float(high[i]),
        )
        for i, name in enumerate(classes)
    )


def _by_version(newest: Snapshot) -> tuple[VersionRates, ...]:
    """Return the rates of each version, that used last at the end."""
    ordered = sorted(newest.versions, key=lambda version: version.since_ns[-1:])
    return tuple(_version_rates(newest.classes, version) for version in ordered)


def _version_rates(classes: tuple[str, ...], version: VersionStatus) -> VersionRates:
    uses = ", ".join(formats.clock_time(when / 1e9) for when in version.since_ns)
    return VersionRates(
        words=(
            f"model v{version.model_version} {version.model} by {version.rule}, "
            f"support v{version.support_version}"
            + f", fit v{version.fit_version}"
            * bool(version.fit_version)
        ),
        more=f"supports {version.support_hash}; in use since {uses}",
        shots=int(version.counts.sum()) + version.skips,
        skips=version.skips,
        rates=_class_rates(classes, version.counts, version.counts),
    )


def fitting_boxcar(length_s: float) -> float:
    """Longest choice that fits 19 times into a length; all in seconds."""
    fitting = [choice for choice in BOXCARS_S if choice * 19 <= length_s]
    return fitting[-1] if fitting else BOXCARS_S[0]


def _is_alive(rank: RankStatus, ended: bool) -> bool:
    return not rank.failure and (ended or rank.silent_s <= RANK_SILENT_S)
