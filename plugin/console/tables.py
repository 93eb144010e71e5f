"""What an evaluation found, as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from specklenn.core.reports.evaluation_result import EvaluationResult


def print_study(study: EvaluationResult, console: Console | None = None) -> None:
    """Print accuracy, confusion and, if it was scanned, accuracy by fluence."""
    shown = console or Console()
    shown.print(_scores(study))
    shown.print(_confusion(study))
    if study.scan:
        shown.print(_scan(study))


def _scores(study: EvaluationResult) -> Table:
    classes, rule = study.conditions.classes, study.conditions.rule
    at = "" if study.fluence is None else f"; fluence {study.fluence:g}"
    table = _table(f"{len(classes)}-way: {', '.join(classes)}; rule: {rule}{at}")
    for heading in ("shots", "accuracy", "95 % interval", "F1", "samples"):
        table.add_column(heading, justify="right")
    for shots, score in study.main.scores.items():
        low, high = score["ci95"]
        table.add_row(
            shots,
            f"{score['accuracy']:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{score['f1']:.4f}",
            str(len(score["per_sample"])),
        )
    return table


def _confusion(study: EvaluationResult) -> Table:
    shots = study.main.main_shots
    supports = "support" if shots == 1 else "supports"
    table = _table(f"Found (columns) of each truth, %, {shots} {supports}")
    table.add_column("")
    for name in study.conditions.classes:
        table.add_column(name, justify="right")
    for true, shares in study.main.main["confusion"].items():
        table.add_row(true, *(f"{100 * share:.1f}" for share in shares.values()))
    return table


def _scan(study: EvaluationResult) -> Table:
    numbers = list(study.main.scores)
    table = _table("Accuracy by fluence and shots")
    for heading in ("fluence", *numbers):
        table.add_column(heading, justify="right")
    for fluence, measured in study.scan.items():
        found = [measured.scores.get(shots) for shots in numbers]
        accuracies = ["-" if one is None else f"{one['accuracy']:.4f}" for one in found]
        table.add_row(f"{fluence:g}", *accuracies)
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left")
