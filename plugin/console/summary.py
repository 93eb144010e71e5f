"""What a run prints when it ends: rates, confusion table, missed shots, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from specklenn.core.class_counts import ClassCounts
from specklenn.core.intervals import wilson_interval
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.say import folded


def print_summary(
    state: RunState, files: Sequence[Path], console: Console, notes: Sequence[str] = ()
) -> None:
    """Print the summary of a run that has ended.

    Parameters
    ----------
    state : RunState
    files : sequence of Path
        What was written.
    console : Console
    notes : sequence of str
        Sentences on these files.
    """
    console.print(_rates(state.class_counts))
    if state.class_counts.confusion.sum():
        console.print(_confusion(state.class_counts))
        console.print(f"agreement with the labels: {_agreement(state.class_counts)}")
    remarks = (*state.notes, *notes, *state.failures)
    for sentence in (
        _numbers(state),
        *filter(None, [state.facts.masked]),
        *(f"wrote {path}" for path in files),
        *(f"! {remark}" for remark in remarks),
    ):
        console.print(folded(sentence, console.file))


def _rates(counted: ClassCounts) -> Table:
    table = Table(title="Rates", title_justify="left")
    table.add_column("class")
    for name in ("shots", "rate", "95 % interval"):
        table.add_column(name, justify="right")
    total = int(counted.counts.sum())
    for name, count in zip(counted.classes, counted.counts, strict=True):
        # Without shots the rate may be anything.
        low, high = wilson_interval(count, total) if total else (0.0, 1.0)
        rate = f"{100 * count / total:.2f} %" if total else "-"
        interval = f"{100 * low:.2f} to {100 * high:.2f} %"
        table.add_row(name, str(count), rate, interval)
    for reason, skips in sorted(counted.skipped.items()):
        table.add_row(f"skipped: {reason}", str(skips), "", "")
    return table


def _confusion(counted: ClassCounts) -> Table:
    table = Table(title="Truth (rows) and classification (columns)")
    table.title_justify = "left"
    table.add_column("")
    used = np.flatnonzero(counted.confusion.sum(axis=0) + counted.confusion.sum(axis=1))
    for code in used.tolist():
        table.add_column(counted.classes[code], justify="right")
    for truth in used.tolist():
        if counted.confusion[truth].sum():
            counts = (str(counted.confusion[truth, code]) for code in used)
            table.add_row(counted.classes[truth], *counts)
    return table


def _agreement(counted: ClassCounts) -> str:
    right = int(np.trace(counted.confusion))
    total = int(counted.confusion.sum())
    low, high = wilson_interval(right, total)
    return (
        f"{right} of {total} = {100 * right / total:.1f} % "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f} %)"
    )


def _numbers(state: RunState) -> str:
    seconds = max(state.last_row_ns - state.started_ns, 0) / 1e9
    rate = state.class_counts.shots / seconds if seconds > 0 else float("nan")
    quantiles = (state.latency_quantile_ms(q) for q in (0.5, 0.95, 0.99))
    p50, p95, p99 = quantiles
    # Shots of files lie there before they are read, and are read many at once.
    waited = "latency" if state.facts.live else "from reading to row"
    return (
        f"{state.class_counts.shots} shots in {seconds:.1f} s = {rate:.1f} Hz, "
        f"{waited} p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} ms, "
        f"skipped {state.class_counts.skips}, missed {state.missed}"
    )
