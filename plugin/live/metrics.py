"""The metrics of a run for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)

from specklenn.core.messages import RUN_STATES, RankStatus, Snapshot

LATENCY_BINS_PER_BUCKET = 4
"""Of a run's histogram with 20 bins a decade: five buckets a decade are left."""


def families(snapshot: Snapshot, changed_ns: int, now_ns: int) -> Iterator[Metric]:
    """Return every metric of a run.

    Parameters
    ----------
    changed_ns : int
        When the number of shots last changed, Unix epoch, nanoseconds.
    """
    yield from _shots(snapshot)
    yield _latency(snapshot)
    yield from _ranks(snapshot.ranks)
    yield from _run(snapshot)
    yield GaugeMetricFamily(
        "specklenn_last_row_age_seconds",
        "Since the last row arrived, or since the start where none has.",
        max(now_ns - changed_ns, 0) / 1e9,
    )
    yield GaugeMetricFamily(
        "specklenn_snapshot_age_seconds",
        "Age of these numbers; grows if the collector hangs.",
        max(now_ns - snapshot.wall_ns, 0) / 1e9,
    )


def _shots(snapshot: Snapshot) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "specklenn_shots",
        "Shots with a row: classified, without a hit or skipped.",
        snapshot.shots,
    )
    counts = zip(snapshot.classes, snapshot.counts.tolist(), strict=True)
    yield _counters(
        "specklenn_class_shots", "Shots given this class.", "class", dict(counts)
    )
    yield _counters(
        "specklenn_skipped_shots",
        "Shots that could not be classified, by reason.",
        "reason",
        snapshot.skipped,
    )
    yield CounterMetricFamily(
        "specklenn_missed_shots",
        "Shots that live sources lost before a worker took them.",
        snapshot.missed_shots,
    )
    yield GaugeMetricFamily(
        "specklenn_expected_shots",
        "Shots in the run, 0 where nobody can know.",
        snapshot.expected_shots,
    )


def _latency(snapshot: Snapshot) -> Metric:
    """Return the histogram; its sum is not known, since a run keeps bins only.

    Latencies beyond the last edge are counted in the last bin, so only the bucket
    +Inf has them for certain.
    """
    below = np.cumsum(snapshot.latency_counts)
    edges_s = snapshot.latency_edges_ms[1:] / 1000
    chosen = range(0, len(edges_s) - 1, LATENCY_BINS_PER_BUCKET)
    buckets = [(f"{edges_s[i]:.6g}", float(below[i])) for i in chosen]
    total = float(below[-1]) if len(below) else 0.0
    return HistogramMetricFamily(
        "specklenn_latency_seconds",
        "From the shot (live) or its reading (files) to its row at the collector.",
        buckets=[*buckets, ("+Inf", total)],
    )


def _ranks(ranks: tuple[RankStatus, ...]) -> Iterator[Metric]:
    failed = sum(bool(rank.failure) for rank in ranks)
    yield GaugeMetricFamily(
        "specklenn_ranks_alive", "Workers that have not failed.", len(ranks) - failed
    )
    yield GaugeMetricFamily(
        "specklenn_ranks_failed", "Workers that have failed.", failed
    )
    labels = ("rank", "host")
    silent = GaugeMetricFamily(
        "specklenn_rank_silent_seconds",
        "Since the last message of a worker; 0 when it has ended.",
        labels=labels,
    )
    shots = CounterMetricFamily(
        "specklenn_rank_shots", "Shots whose rows came from a worker.", labels=labels
    )
    for rank in ranks:
        silent.add_metric([str(rank.rank), rank.host], rank.silent_s)
        shots.add_metric([str(rank.rank), rank.host], rank.shots)
    yield silent
    yield shots


def _run(snapshot: Snapshot) -> Iterator[Metric]:
    yield StateSetMetricFamily(
        "specklenn_run_state",
        "1 for the state that the run is in.",
        {state: state == snapshot.state for state in RUN_STATES},
    )
    yield InfoMetricFamily(
        "specklenn_run",
        "Experiment and run, and the model and supports in use.",
        {
            "experiment": snapshot.experiment,
            "run": snapshot.run,
            "session": snapshot.session,
            "model": snapshot.model,
            "model_version": str(snapshot.model_version),
            "support_version": str(snapshot.support_version),
            "support_hash": snapshot.support_hash,
        },
    )
    yield GaugeMetricFamily(
        "specklenn_notices",
        "Sentences that a person must see: failures, stalls, notes on the data.",
        len(snapshot.failures),
    )


def _counters(
    name: str, words: str, label: str, counts: Mapping[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=(label,))
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
