"""Everything that one comparison found, for the terminal and the files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from specklenn.core.evaluation.classifiers import Row
from specklenn.core.evaluation.comparison import Comparison
from specklenn.core.evaluation.measurement import EvaluationSettings
from specklenn.core.reports.evaluation_result import nearest
from specklenn.core.reports.plotting import look, mark_chance, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = (
    "fluence",
    "method",
    "variant",
    "trained on",
    "sees supports",
    "shots",
    "accuracy",
    "low",
    "high",
    "F1",
    "samples",
)
LINES = {"own data": "-", "--train": "--", "supports": ":", "nothing": "-."}


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonReport:
    """One comparison.

    Parameters
    ----------
    data : str
        The file.
    models : dict of name to str
        SHA-256 of the weights.
    train : tuple of str
        Files that baselines were trained on.
    conditions : EvaluationSettings
    compared : dict of fluence to Comparison
        At the fluences of a scan; else under None, of the patterns as they are.
    """

    data: str
    models: dict[str, str]
    train: tuple[str, ...]
    conditions: EvaluationSettings
    compared: dict[float | None, Comparison]

    @property
    def scan(self) -> dict[float, Comparison]:
        """What was found at each fluence; empty without a scan."""
        return {at: found for at, found in self.compared.items() if at is not None}

    @property
    def fluence(self) -> float | None:
        """The fluence of the scan that is nearest to the baseline, if there is one."""
        return nearest(list(self.scan), 1.0) if self.scan else None

    @property
    def main(self) -> Comparison:
        """What was found at `fluence`."""
        return self.compared[self.fluence]

    @property
    def shots(self) -> list[str]:
        """The numbers of shots that the data allow."""
        return list(next(iter(self.main.scores.values())))

    @property
    def main_shots(self) -> str:
        """The number of shots for what is shown once: the middle one."""
        return self.shots[len(self.shots) // 2]

    def accuracies(self, row: Row) -> list[float]:
        """Return those at `main_shots` by fluence, NaN where the data allow none."""
        return [
            found.scores[row].get(self.main_shots, {}).get("accuracy", math.nan)
            for found in self.scan.values()
        ]

    def as_json(self) -> str:
        """Return all scores, a result for every fluence and row."""
        asked = self.conditions
        found = {
            "data": self.data,
            "n_patterns": self.main.patterns,
            "models": self.models,
            "train": list(self.train),
            "classes": list(asked.classes),
            "draws": asked.draws,
            "seed": asked.seed,
            "area": asked.area,
            "results": [
                {"fluence": fluence, **asdict(row), "shots": by_shots}
                for fluence, comparison in self.compared.items()
                for row, by_shots in comparison.scores.items()
            ],
        }
        return json.dumps(found, indent=2) + "\n"

    def as_csv(self) -> str:
        """Return a line for every fluence, row and number of shots."""
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(HEADINGS)
        writer.writerows(self._lines())
        return target.getvalue()

    def _lines(self) -> Iterator[list[str]]:
        for fluence, comparison in self.compared.items():
            for row, by_shots in comparison.scores.items():
                for shots, summary in by_shots.items():
                    values = (summary["accuracy"], *summary["ci95"], summary["f1"])
                    yield [
                        "" if fluence is None else f"{fluence:g}",
                        row.method,
                        row.variant,
                        row.trained_on,
                        "yes" if row.sees_supports else "no",
                        shots,
                        *(f"{value:.4f}" for value in values),
                        str(len(summary["per_sample"])),
                    ]


def draw_methods(report: ComparisonReport) -> Figure:
    """Draw accuracy over fluence, a line per method and what it is trained on.

    Of several variants the first is drawn: a model's own rule, the paper's threshold,
    the features that do not change with rotation.

    Parameters
    ----------
    report : ComparisonReport
        Of a scan.
    """
    rows = _first_variants(report.main.scores)
    names = list(dict.fromkeys(row.method for row in rows))
    with new_figure(7.0, 4.0) as figure:
        axes = figure.subplots()
        for row in rows:
            axes.plot(
                list(report.scan),
                report.accuracies(row),
                LINES[row.trained_on],
                **look(names.index(row.method)),
                markersize=4,
                label=f"{row.method}, {row.variant}; trained on {row.trained_on}",
            )
        axes.set_xscale("log")
        axes.set_xlabel("fluence (1: as in the benchmark)")
        axes.set_ylabel(f"accuracy; supports per class: {report.main_shots}")
        mark_chance(axes, 1 / len(report.conditions.classes))
        figure.legend(loc="outside right upper", fontsize=7, handlelength=4)
    return figure


def _first_variants(scores: dict[Row, Any]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in scores:
        found.setdefault((row.method, row.trained_on), row)
    return list(found.values())
