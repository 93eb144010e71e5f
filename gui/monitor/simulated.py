"""A stream of invented snapshots, to try the window and to train people on it.

Everything is made up but behaves like a beamtime: a few per cent of hits, a jet
that fails every now and then, Poisson noise, one masked gap and a beam stop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from specklenn.core.messages import Example, RankStatus, Snapshot, VersionStatus
from specklenn.gui.monitor.simulated_patterns import draw_pattern

CLASSES = ("single-hit", "multi-hit", "non-sample-hit", "no-hit", "unknown")
SHARES = (0.060, 0.016, 0.006, 0.913, 0.005)
SHOTS_PER_S = 120.0
PAST_S = 600
BETWEEN_S = 0.1
EXAMPLES_PER_CLASS = 6
RANKS = 32
EDGES_MS = np.geomspace(1.0, 10_000.0, 81)


class SimulatedStream:
    """Invented snapshots, ten a second, with ten minutes behind them.

    Parameters
    ----------
    seed : int
        Seed of all random numbers.
    clock : callable
        Unix epoch, seconds.
    failures : tuple of str
        Sentences for the banner.
    """

    endpoint = "simulated data"
    bad_messages = 0
    last_problem = ""

    def __init__(
        self,
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.time,
        failures: tuple[str, ...] = (),
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._clock = clock
        self._failures = failures
        self._session = f"simulated-{seed}-{clock():.3f}"
        self._sequence = 0
        self._counts = np.zeros(len(CLASSES), np.int64)
        self._latency = np.zeros(len(EDGES_MS) - 1, np.int64)
        self._missed = 0
        self._skipped = {"not finite": 0, "all pixels masked": 0}
        self._history: deque[tuple[float, npt.NDArray[np.int64]]] = deque(maxlen=PAST_S)
        self._examples: dict[str, deque[Example]] = {
            name: deque(maxlen=EXAMPLES_PER_CLASS) for name in CLASSES
        }
        self._start_s = clock() - PAST_S
        self._now_s = self._start_s
        self._advance(clock())

    def newest(self) -> Snapshot | None:
        """Next snapshot, None before a tenth of a second has passed."""
        now_s = self._clock()
        if self._sequence and now_s - self._now_s < BETWEEN_S:
            return None
        self._advance(now_s)
        self._sequence += 1
        return self._snapshot()

    def close(self) -> None:
        """Nothing is held open."""

    def _advance(self, until_s: float) -> None:
        while self._now_s < until_s:
            second = np.floor(self._now_s) + 1.0
            end_s = min(float(second), until_s)
            self._count(end_s - self._now_s, end_s)
            self._now_s = end_s
            if end_s == second:
                self._history.append((end_s, self._counts.copy()))

    def _count(self, length_s: float, end_s: float) -> None:
        shots = self._random.poisson(SHOTS_PER_S * length_s)
        new = self._random.multinomial(shots, self._shares(end_s))
        self._counts = self._counts + new
        delays = self._random.lognormal(np.log(42.0), 0.35, shots)
        self._latency = self._latency + np.histogram(delays, EDGES_MS)[0]
        self._missed += int(self._random.poisson(0.002 * shots))
        for reason in self._skipped:
            self._skipped[reason] += int(self._random.poisson(2e-5 * shots))
        for name, number in zip(CLASSES, new, strict=True):
            if number and name != "no-hit" and self._is_worth_drawing(end_s):
                self._examples[name].appendleft(self._example(name, end_s))

    def _is_worth_drawing(self, end_s: float) -> bool:
        """Leave out patterns of the invented past that nobody would see."""
        return self._sequence > 0 or end_s > self._start_s + PAST_S - 20

    def _shares(self, now_s: float) -> npt.NDArray[np.float64]:
        shares = np.array(SHARES)
        since = now_s - self._start_s
        shares[0] *= 1 + 0.15 * np.sin(since / 40)
        if 250 < since % 420 < 300:
            shares[:2] *= 0.2
        shares[3] = 1 - shares[[0, 1, 2, 4]].sum()
        return shares

    def _example(self, name: str, now_s: float) -> Example:
        pattern = draw_pattern(name, self._random)
        sure = name != "unknown" and self._random.random() < 0.8
        score = self._random.uniform(*((0.72, 0.99) if sure else (0.42, 0.69)))
        distances = self._random.uniform(0.7, 1.6, 3)
        if name in CLASSES[:3]:
            distances[CLASSES.index(name)] = 1.05 - 0.8 * score
        return Example(
            index=int(self._counts.sum()) - CLASSES.index(name),
            timestamp_ns=int(now_s * 1e9),
            label=name,
            score=float(score),
            distances=tuple(float(value) for value in distances),
            photons=float(np.nansum(pattern)),
            rank=int(self._random.integers(1, RANKS)),
            pattern=pattern,
        )

    def _version(self) -> VersionStatus:
        return VersionStatus(
            model_version=1,
            model="default",
            rule="ensemble",
            support_version=7,
            support_hash="3f9a1c22",
            fit_version=0,
            since_ns=(int(self._start_s * 1e9),),
            counts=self._counts,
            skips=sum(self._skipped.values()),
        )

    def _snapshot(self) -> Snapshot:
        shots = int(self._counts.sum())
        return Snapshot(
            session=self._session,
            sequence=self._sequence,
            wall_ns=int(self._now_s * 1e9),
            state="running",
            experiment="simulated",
            run="94",
            classes=CLASSES,
            counts=self._counts,
            support_classes=CLASSES[:3],
            expected_shots=0,
            missed_shots=self._missed,
            skipped=dict(self._skipped),
            latency_edges_ms=EDGES_MS,
            latency_counts=self._latency,
            ranks=tuple(_rank(number, shots) for number in range(1, RANKS)),
            support_version=7,
            support_hash="3f9a1c22",
            model_version=1,
            model="default",
            fit_version=0,
            versions=(self._version(),),
            history_s=np.array([when for when, _ in self._history]),
            history_counts=np.array([counts for _, counts in self._history]),
            examples=tuple(
                example for name in CLASSES for example in self._examples[name]
            ),
            failures=self._failures,
        )


def _rank(number: int, shots: int) -> RankStatus:
    return RankStatus(
        rank=number,
        host=f"node{1 + number // 16:02d}",
        shots=shots // (RANKS - 1),
        silent_s=12.0 if number == 12 else 0.2,
        failure="",
    )
