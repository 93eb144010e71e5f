"""What was evaluated, as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.classifiers import MethodVariant
from specklenn.core.evaluation.disturbance_table import DisturbanceTable
from specklenn.core.evaluation.labelled_run import ClassifiedRun
from specklenn.core.flags import Flag
from specklenn.core.labelling.purity_check import (
    ABOVE,
    PurityCheck,
    missed,
    purity,
    recall,
)
from specklenn.core.reports.comparison_result import ComparisonResult
from specklenn.core.reports.evaluation_result import EvaluationResult

if TYPE_CHECKING:
    from specklenn.core.finetuning.finetune import FinetunedModel
    from specklenn.core.paper.table1 import Cell

FILE_WIDTH = 100
"""Columns where there is no terminal to ask; all tables fit into as many."""

FACTS = ("method", "variant", "trained on", "sees\nsupports")

FLUENCES_PER_TABLE = 6
"""So that no table is wider than 100 columns."""


def print_evaluation(result: EvaluationResult, console: Console | None = None) -> None:
    """Print accuracy, confusion, what scores are worth and, if measured, the rest."""
    shown = console or _console()
    shown.print(_evaluation_scores(result))
    shown.print(_confusion(result))
    shown.print(_confidence(result.confidence))
    if result.scan:
        shown.print(_evaluation_scan(result))
    if result.disturbances is not None:
        shown.print(_disturbances(result.disturbances))
    for sentence in result.assumptions:
        shown.print(sentence, highlight=False)


def print_comparison(result: ComparisonResult, console: Console | None = None) -> None:
    """Print the table of methods and, after a scan, accuracy by fluence."""
    shown = console or _console()
    for table in (*_comparison_scores(result), *_comparison_scan(result)):
        shown.print(table)


def print_classified_run(
    found: ClassifiedRun, rule: str, console: Console | None = None
) -> None:
    """Print how a labelled run was classified by given supports."""
    shown = console or _console()
    table = _table(f"Labels (rows) and what they were called (columns); rule: {rule}")
    table.add_column("")
    confusion = found.confusion
    _add_numbers(table, next(iter(confusion.values())))
    for true, counts in confusion.items():
        table.add_row(true, *map(str, counts.values()))
    shown.print(table)
    rejected, far, unsure = (
        f"{100 * found.share(flag):.1f} %"
        for flag in (Flag.REJECTED, Flag.FAR, Flag.UNSURE)
    )
    low, high = (100 * end for end in found.accuracy_interval)
    right = (
        f"right: {100 * found.accuracy:.1f} % of {found.judged} shots (95 %: {low:.1f} "
        f"to {high:.1f} %), where unknown\nshots count as wrong; without them "
        f"{100 * found.accuracy_of_known:.1f} %"
    )
    if not found.judged:
        right = "no shot is labelled with a class of this run"
    shown.print(
        f"{right}\n"
        f"unknown: {rejected} of the hits; far from every class {far}, no class "
        f"probable {unsure}",
        highlight=False,
        soft_wrap=True,
    )


def print_purity(check: PurityCheck) -> None:
    """Print how pure a class of a run is, by the answers so far."""
    shown, name = _console(), check.checked_class
    table = _table(f"Purity of {name}, by shots drawn from {check.of_class} of the run")
    _add_numbers(table, ("score at least", "right", "of", "purity", "95 % interval"))
    for score in (least for least in ABOVE if least >= check.above_score or not least):
        found = purity(check, score)
        if score and not found.sure:
            break
        low, high = found.interval
        share = f"{100 * found.mean:.1f} %" if found.sure else "-"
        table.add_row(
            f"{score:g}" if score else "any",
            str(found.yes),
            str(found.sure),
            share,
            f"{100 * low:.1f} to {100 * high:.1f} %",
        )
    shown.print(table)
    every = purity(check)
    shown.print(f"purity of {name}: {every.words}", highlight=False)
    asked = [one for one in check.shots if one.answer]
    unsure = every.unsure + missed(check).unsure
    shown.print(
        f"{len(asked)} of {len(check.shots)} shots answered; {unsure} unsure, which "
        "are not counted",
        highlight=False,
    )
    if any(one.label != name for one in check.shots):
        _print_recall(check, shown)


def _print_recall(check: PurityCheck, shown: Console) -> None:
    value, low, high = recall(check)
    found = "not known yet"
    if not math.isnan(value):
        found = (
            f"{100 * value:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f} %) of the "
            f"{check.checked_class} were found"
        )
    shown.print(
        f"{check.checked_class} among {check.of_others} others: {missed(check).words}\n"
        f"recall: {found}",
        highlight=False,
    )


def print_table1(cells: Iterable[Cell]) -> None:
    """Print the paper's Table 1."""
    table = _table("Single-hits against all others; intervals over queries and draws")
    for heading in ("method", "area"):
        table.add_column(heading)
    _add_numbers(table, ("accuracy", "95 % interval", "F1", "all classes"))
    for cell in cells:
        table.add_row(
            cell.method,
            cell.area,
            f"{cell.accuracy:.3f}",
            f"{cell.low:.3f} to {cell.high:.3f}",
            f"{cell.f1:.3f}",
            "" if cell.all_classes is None else f"{cell.all_classes:.3f}",
        )
    _console().print(table)


def print_cross_fitted(finetuned: FinetunedModel) -> None:
    """Print what ``specklenn adapt`` tried, the yardstick last."""
    table = Table("trained")
    headings = ("accuracy", "95 % interval", "log loss, nats", "calibration error")
    _add_numbers(table, headings)
    yardstick = ("yardstick: ring features", finetuned.yardstick)
    for name, found in (*finetuned.candidates.items(), yardstick):
        table.add_row(
            name,
            f"{found.accuracy:.3f}",
            "{:.3f} to {:.3f}".format(*found.accuracy_interval),
            f"{found.log_loss:.3f}",
            f"{found.reliability.error:.3f}",
        )
    _console().print(table)


def _evaluation_scores(result: EvaluationResult) -> Table:
    classes = result.settings.classes
    table = _table(
        f"{len(classes)}-way: {', '.join(classes)}; rule: {result.rule}"
        f"{_at_fluence(result.fluence)}"
    )
    _add_numbers(table, ("shots", "accuracy", "95 % interval", "F1", "samples"))
    for n_shot, found in result.main.first.items():
        table.add_row(
            str(n_shot),
            f"{found.accuracy.mean:.4f}",
            found.accuracy.interval,
            f"{found.f1.mean:.4f}",
            str(len(found.per_sample)),
        )
    return table


def _confusion(result: EvaluationResult) -> Table:
    supports = _supports(result.main.main_n_shot)
    table = _table(f"Found (columns) of each truth, %, {supports}")
    table.add_column("")
    _add_numbers(table, result.settings.classes)
    for true, shares in result.main.main.confusion.items():
        table.add_row(true, *(f"{100 * share:.1f}" for share in shares.values()))
    return table


def _confidence(found: Confidence) -> Table:
    """Return what scores are worth; below, labels that there are no supports for."""
    table = _table(
        f"Scores as probabilities, and who is called unknown, {_supports(found.n_shot)}"
    )
    table.add_column("")
    headings = ("log loss", "calibration error", "unknown", "others right", "AUROC")
    _add_numbers(table, headings)
    table.add_row(
        "these classes",
        f"{found.log_loss:.3f}",
        f"{found.reliability.error:.3f}",
        f"{100 * found.unknown:.1f} %",
        f"{100 * found.accuracy_of_known:.1f} %",
        "",
    )
    for label, probability in found.ood_auroc.items():
        unknown = f"{100 * found.ood_unknown[label]:.1f} %"
        table.add_row(label, "", "", unknown, "", f"{probability:.3f}")
    return table


def _evaluation_scan(result: EvaluationResult) -> Table:
    numbers = list(result.main.first)
    table = _table("Accuracy by fluence and shots")
    _add_numbers(table, ("fluence", *map(str, numbers)))
    for fluence, scores in result.scan.items():
        found = [scores.first.get(n_shot) for n_shot in numbers]
        means = ["-" if one is None else f"{one.accuracy.mean:.4f}" for one in found]
        table.add_row(f"{fluence:g}", *means)
    return table


def _disturbances(found: DisturbanceTable) -> Table:
    table = _table(
        "Accuracy by disturbance and shots; its change and the log loss with "
        f"{_supports(found.main_n_shot)}",
        ("disturbance",),
    )
    _add_numbers(table, (*map(str, found.n_shots), "change", "log loss"))
    for row in found.rows:
        table.add_row(row.disturbance.name, *found.cells(row))
    return table


def _comparison_scores(result: ComparisonResult) -> Iterator[Table]:
    """Give a table for each number of supports."""
    classes = " and ".join(result.settings.classes)
    for n_shot, first in result.main.first.items():
        samples = len(first.per_sample)
        over = "its shots" if samples == 1 else "samples"
        many = "1 sample" if samples == 1 else f"{samples} samples"
        table = _table(
            f"{classes}; {_supports(n_shot)} per class; {many}; intervals over {over}"
            f"{_at_fluence(result.fluence)}",
            FACTS,
        )
        _add_numbers(table, ("accuracy", "95 % interval", "F1"))
        for variant, by_n_shot in result.main.by_variant.items():
            found = by_n_shot[n_shot]
            table.add_row(
                *_facts(variant),
                f"{found.accuracy.mean:.3f}",
                found.accuracy.interval,
                f"{found.f1.mean:.3f}",
            )
        yield table


def _comparison_scan(result: ComparisonResult) -> Iterator[Table]:
    """Give a table for every few fluences."""
    supports, fluences = _supports(result.main.main_n_shot), list(result.scan)
    for start in range(0, len(fluences), FLUENCES_PER_TABLE):
        shown = slice(start, start + FLUENCES_PER_TABLE)
        table = _table(
            f"Accuracy by fluence (columns), {supports} per class", ("method",)
        )
        _add_numbers(table, [f"{fluence:g}" for fluence in fluences[shown]])
        for variant in result.main.by_variant:
            values = result.accuracies(variant)[shown]
            cells = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
            method, way, trained_on, _ = _facts(variant)
            table.add_row(f"{method}, {way}; {trained_on}", *cells)
        yield table


def _facts(variant: MethodVariant) -> tuple[str, str, str, str]:
    sees = "yes" if variant.sees_supports else "no"
    return variant.method, variant.variant, variant.trained_on, sees


def _console() -> Console:
    found = Console()
    return found if found.is_terminal else Console(width=FILE_WIDTH)


def _table(title: str, headings: Iterable[str] = ()) -> Table:
    return Table(*headings, title=title, title_justify="left")


def _add_numbers(table: Table, headings: Iterable[str]) -> None:
    for heading in headings:
        table.add_column(heading, justify="right")


def _at_fluence(fluence: float | None) -> str:
    return "" if fluence is None else f"; fluence {fluence:g}"


def _supports(n_shot: int) -> str:
    return "1 support" if n_shot == 1 else f"{n_shot} supports"
