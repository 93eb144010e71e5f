"""Everything the collector knows of a run: the one object that holds state."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from specklenn.core.class_counts import ClassCounts
from specklenn.core.flags import REASONS, Flag
from specklenn.core.messages import Example, RankStatus, Snapshot, VersionStatus
from specklenn.core.rows import Rows, known_times
from specklenn.plugin.live.far_shots import FarShots
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.version_counts import VersionCounts
from specklenn.plugin.live.versions import Version

LATENCY_EDGES_MS: npt.NDArray[np.float64] = np.concatenate(
    [[0.0], np.geomspace(0.1, 100_000.0, 121)]
)
"""Edges of the latency histogram: 20 bins a decade from 0.1 ms to 100 s."""

MOST_VERSIONS = 64
"""Versions in every snapshot, the last ones of a run that has more."""

HISTORY_S = 600
"""Seconds of history in every snapshot."""


@dataclass(kw_only=True)
class RankState:
    """The state of one worker, as the collector knows it.

    Parameters
    ----------
    heard_s : float
        When it last sent anything, monotonic seconds.
    host : str
        Name of its machine.
    ready, ended : bool
        Whether its source is open, and whether it has sent its last rows.
    shots : int
        Shots whose rows arrived from it.
    missed : int
        Shots that its live source lost.
    version : int
        Number of the version that it said it uses.
    failure : str
        Last line of its traceback, empty while it is well.
    stall_reason : str
        Why its stream hands out no shots; empty while it does.
    """

    rank: int
    heard_s: float
    host: str = ""
    ready: bool = False
    ended: bool = False
    shots: int = 0
    missed: int = 0
    version: int = 1
    failure: str = ""
    stall_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What does not change during a run.

    Parameters
    ----------
    classes : tuple of str
        Every label there is.
    support_classes : tuple of str
        Those with supports, in the order of the distances.
    expected_shots : int
        0 where not known.
    live : bool
        Whether shots come from a stream; else they are read from files.
    notes : tuple of str
        Sentences about the data, for the terminal and the monitor.
    masked : str
        How many pixels are masked and by what, a sentence for the terminal.
    """

    experiment: str
    run: int
    classes: tuple[str, ...]
    support_classes: tuple[str, ...]
    expected_shots: int = 0
    live: bool = False
    notes: tuple[str, ...] = ()
    masked: str = ""


@dataclass(kw_only=True, eq=False)
class RunState:
    """A run as the collector sees it.

    Parameters
    ----------
    first : Version
        What classifies the shots at the start.
    workers : sequence of int
        Ranks that work.
    now_s : float
        Monotonic seconds.

    Attributes
    ----------
    support_notes : tuple of str
        Sentences about the supports in use, see `specklenn.core.support_check`.
    closing_notes : tuple of str
        Sentences about the data, once the run has ended.
    stall_reason : str
        Why no more shots come of files that are being written; else empty.
    state : str
        One of `specklenn.core.messages.RUN_STATES`.
    failures : list of str
        Sentences for the terminal and the monitor.
    started_ns, last_row_ns : int
        Common start of the workers, and when the last rows came; Unix epoch,
        nanoseconds.
    sequence : int
        Snapshots so far.
    session : str
        Identifies this start of the collector.
    versions : list of Version
        Oldest first; the last is in use.
    class_counts : ClassCounts
    version_counts : VersionCounts
        The same shots by what classified them.
    ranks : dict of int to RankState
    latency : (bins,) int64
        Shots per bin of `LATENCY_EDGES_MS`.
    """

    facts: RunFacts
    first: Version
    workers: Sequence[int]
    examples_per_class: int
    now_s: float
    support_notes: tuple[str, ...] = ()
    closing_notes: tuple[str, ...] = ()
    stall_reason: str = ""
    state: str = "waiting"
    failures: list[str] = field(default_factory=list)
    started_ns: int = 0
    last_row_ns: int = 0
    sequence: int = 0
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.versions = [self.first]
        self.class_counts = ClassCounts(self.facts.classes)
        self.version_counts = VersionCounts(self.facts.classes)
        self._far_shots = FarShots()
        self.ranks = {
            rank: RankState(rank=rank, heard_s=self.now_s) for rank in self.workers
        }
        self.latency: npt.NDArray[np.int64] = np.zeros(
            len(LATENCY_EDGES_MS) - 1, np.int64
        )
        self._examples: dict[int, deque[Example]] = {}
        self._history: deque[tuple[int, npt.NDArray[np.int64]]] = deque(
            maxlen=HISTORY_S
        )

    @property
    def in_use(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    @property
    def missed(self) -> int:
        """Shots that live sources lost since the start."""
        return sum(rank.missed for rank in self.ranks.values())

    @property
    def nothing_usable(self) -> str:
        """Say that no shot could be used, unless all were empty ones; else nothing."""
        counted, skipped = self.class_counts, self.class_counts.skipped
        if counted.shots == 0 or counted.skips < counted.shots:
            return ""
        if set(skipped) == {REASONS[Flag.EMPTY]}:  # of a detector in the dark
            return ""
        found = ", ".join(f"{number} {why}" for why, number in sorted(skipped.items()))
        return f"no shot of this run could be used: {found}"

    @property
    def alive(self) -> list[RankState]:
        """Workers that have not failed."""
        return [rank for rank in self.ranks.values() if not rank.failure]

    def add(self, rank: int, report: Report, wall_ns: int) -> None:
        """Count a report whose rows are all new, and keep its pictures.

        ``latency_ms`` of the rows is filled in here, where they arrive.
        """
        rows = report.rows
        self.ranks[rank].missed = report.missed
        if len(rows) == 0:
            return
        self.ranks[rank].shots += len(rows)
        waited_ns = wall_ns - rows["arrived_ns"].astype(np.int64)
        rows["latency_ms"] = np.maximum(waited_ns, 0) / 1e6
        self.latency += np.histogram(
            np.minimum(rows["latency_ms"], LATENCY_EDGES_MS[-1]), LATENCY_EDGES_MS
        )[0]
        self.last_row_ns = wall_ns
        self.class_counts.add(rows)
        self.version_counts.add(rows)
        self._far_shots.add(rows)
        self._keep_examples(report)

    def record_history(self, wall_ns: int) -> None:
        """Keep the history, one point a second."""
        second = wall_ns // 1_000_000_000
        if not self._history or self._history[-1][0] < second:
            self._history.append((second, self.class_counts.counts.copy()))

    def latency_quantile_ms(self, quantile: float) -> float:
        """Return a quantile of the latency, the upper edge of its bin; NaN if none."""
        total = int(self.latency.sum())
        if total == 0:
            return float("nan")
        position = int(np.searchsorted(np.cumsum(self.latency), quantile * total))
        return float(LATENCY_EDGES_MS[min(position + 1, len(LATENCY_EDGES_MS) - 1)])

    def snapshot(self, now_s: float, wall_ns: int) -> Snapshot:
        """Return the run as it stands, for windows."""
        self.sequence += 1
        facts, version = self.facts, self.in_use
        return Snapshot(
            session=self.session,
            sequence=self.sequence,
            wall_ns=wall_ns,
            state=self.state,
            experiment=facts.experiment,
            run=str(facts.run),
            classes=facts.classes,
            counts=self.class_counts.counts.copy(),
            support_classes=facts.support_classes,
            expected_shots=facts.expected_shots,
            missed_shots=self.missed,
            skipped=dict(self.class_counts.skipped),
            latency_edges_ms=LATENCY_EDGES_MS,
            latency_counts=self.latency.copy(),
            ranks=tuple(_status(rank, now_s) for rank in self.ranks.values()),
            support_version=version.support_version,
            support_hash=version.support_hash,
            model_version=version.model_version,
            model=version.model,
            fit_version=version.fit_version,
            versions=tuple(self._version_status()),
            history_s=np.array([second for second, _ in self._history], np.float64),
            history_counts=np.array(
                [counts for _, counts in self._history], np.int64
            ).reshape(len(self._history), len(facts.classes)),
            examples=tuple(self._newest_examples()),
            failures=(*self.notes, *self.failures, *self._stalls()),
        )

    def contents(self) -> list[tuple[Version, list[int]]]:
        """Return each version once, by first use, and the times of its uses in ns."""
        found: dict[tuple[int, ...], tuple[Version, list[int]]] = {}
        for version in self.versions:
            found.setdefault(version.numbers, (version, []))[1].append(version.time_ns)
        return list(found.values())

    def _version_status(self) -> list[VersionStatus]:
        return [
            VersionStatus(
                model_version=version.model_version,
                model=version.model,
                rule=version.rule,
                support_version=version.support_version,
                support_hash=version.support_hash,
                fit_version=version.fit_version,
                since_ns=tuple(uses),
                counts=self.version_counts[version.numbers].counts.copy(),
                skips=self.version_counts[version.numbers].skips,
            )
            for version, uses in self.contents()[-MOST_VERSIONS:]
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person must know that is no failure: of data, supports and shots."""
        far = self._far_shots.warnings()
        return (*self.facts.notes, *self.support_notes, *far, *self.closing_notes)

    def _stalls(self) -> list[str]:
        waiting = self.stall_reason and self.state == "running"
        return [self.stall_reason] * bool(waiting) + [
            f"rank {rank.rank} on {rank.host}: {rank.stall_reason}"
            for rank in self.alive
            if rank.stall_reason and not rank.ended
        ]

    def _newest_examples(self) -> list[Example]:
        kept = [example for newest in self._examples.values() for example in newest]
        return sorted(kept, key=lambda example: -example.timestamp_ns)

    def _keep_examples(self, report: Report) -> None:
        shown = report.examples
        for position, picture in zip(shown.positions, shown.pictures, strict=True):
            row = report.rows[position]
            newest = self._examples.setdefault(
                int(row["label"]), deque(maxlen=self.examples_per_class)
            )
            newest.append(self._example(row, picture))

    def _example(self, row: Rows, picture: npt.NDArray[np.float32]) -> Example:
        return Example(
            index=int(row["index"]),
            timestamp_ns=int(known_times(row)),
            label=self.facts.classes[int(row["label"])],
            score=float(row["score"]),
            distances=tuple(float(value) for value in row["distances"]),
            photons=float(row["photons"]),
            rank=int(row["rank"]),
            pattern=picture,
        )


def _status(rank: RankState, now_s: float) -> RankStatus:
    return RankStatus(
        rank=rank.rank,
        host=rank.host,
        shots=rank.shots,
        silent_s=0.0 if rank.ended else max(now_s - rank.heard_s, 0.0),
        failure=rank.failure,
    )
