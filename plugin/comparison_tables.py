"""What a comparison found, as tables on the terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from specklenn.core.evaluation.classifiers import Row
from specklenn.core.reports.comparison_result import ComparisonReport

FILE_WIDTH = 240
"""Columns where there is no terminal to ask: a table in a file is not folded."""

FACTS = ("method", "variant", "trained on", "sees supports")


def print_comparison(report: ComparisonReport, console: Console | None = None) -> None:
    """Print the table of methods and, after a scan, accuracy by fluence."""
    shown = console or Console()
    if console is None and not shown.is_terminal:
        shown = Console(width=FILE_WIDTH)
    shown.print(_scores(report))
    if report.scan:
        shown.print(_scan(report))


def _scores(report: ComparisonReport) -> Table:
    classes = " and ".join(report.conditions.classes)
    at = "" if report.fluence is None else f"; fluence {report.fluence:g}"
    first = next(iter(next(iter(report.main.scores.values())).values()))
    table = _table(
        f"{classes}; {len(first['per_sample'])} samples; accuracy with its 95 % "
        f"interval over samples, and F1, by supports per class{at}"
    )
    for shots in report.shots:
        table.add_column(shots, justify="right")
        table.add_column("F1", justify="right")
    for row, by_shots in report.main.scores.items():
        cells = []
        for summary in by_shots.values():
            low, high = summary["ci95"]
            cells.append(f"{summary['accuracy']:.3f} ({low:.3f} to {high:.3f})")
            cells.append(f"{summary['f1']:.3f}")
        table.add_row(*_facts(row), *cells)
    return table


def _scan(report: ComparisonReport) -> Table:
    shots = report.main_shots
    supports = "support" if shots == "1" else "supports"
    table = _table(f"Accuracy by fluence (columns), {shots} {supports} per class")
    for fluence in report.scan:
        table.add_column(f"{fluence:g}", justify="right")
    for row in report.main.scores:
        values = report.accuracies(row)
        cells = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
        table.add_row(*_facts(row), *cells)
    return table


def _facts(row: Row) -> tuple[str, str, str, str]:
    sees = "yes" if row.sees_supports else "no"
    return row.method, row.variant, row.trained_on, sees


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in FACTS:
        table.add_column(heading)
    return table
