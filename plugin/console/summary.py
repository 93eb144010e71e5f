"""What a run prints when it ends: rates, confusion table, missed shots, files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from specklenn.core.class_counts import ClassCounts
from specklenn.core.intervals import wilson_interval
from specklenn.core.labels import UNKNOWN
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.say import folded

VERSIONS_ABREAST = 5
"""Columns of one table."""


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
    if len(state.version_counts) > 1:
        _print_by_version(state, console)
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


def _print_by_version(state: RunState, console: Console) -> None:
    """Print what each model with its supports made of the shots that it got."""
    versions = state.contents()
    for first in range(0, len(versions), VERSIONS_ABREAST):
        console.print(_by_version(state, versions[first : first + VERSIONS_ABREAST]))
    for version, uses in versions:
        times = ", ".join(_clock_time(use) for use in uses)
        console.print(f"{version.words}: since {times}")


def _by_version(
    state: RunState, versions: Sequence[tuple[Version, list[int]]]
) -> Table:
    table = Table(title="Rates by model and supports", title_justify="left")
    fitted = any(version.fit_version for version, _ in versions)
    table.add_column("model\nsupport" + "\nfit" * fitted)
    counted = [state.version_counts[version.numbers] for version, _ in versions]
    for version, _ in versions:
        name = f"v{version.model_version}\nv{version.support_version}"
        if fitted:
            name += f"\nv{version.fit_version}" if version.fit_version else "\n-"
        table.add_column(name, justify="right")
    table.add_row("shots", *(str(each.shots) for each in counted))
    for code, name in enumerate(state.facts.classes):
        table.add_row(
            name, *(_percent(c.counts[code], c.counts.sum()) for c in counted)
        )
    if state.class_counts.skips:
        table.add_row("skipped", *(str(each.skips) for each in counted))
    if state.class_counts.confusion.sum():
        table.add_row(
            "agreement",
            *(_percent(np.trace(x.confusion), x.confusion.sum()) for x in counted),
        )
    return table


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _clock_time(time_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(time_ns / 1e9))


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
    words = (
        f"{right} of {total} = {100 * right / total:.1f} % "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f} %)"
    )
    columns = [name == UNKNOWN for name in counted.classes]
    unknown = int(counted.confusion[:, columns].sum())
    if not 0 < unknown < total:
        return words
    rest = f"{100 * right / (total - unknown):.1f} %"
    return f"{words}, unknown counted as wrong; {rest} without the {unknown} unknown"


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
