"""Everything that ``specklenn compare`` found, its CSV table and its figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specklenn.core.evaluation.classifiers import MethodVariant
from specklenn.core.evaluation.scores import ScoreSummary
from specklenn.core.reports.evaluation_result import ScoresByFluence
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
class ComparisonResult(ScoresByFluence):
    """One comparison of models and baselines.

    Parameters
    ----------
    models : dict of name to str
        SHA-256 of the weights.
    train : tuple of str
        Files that baselines were trained on.
    """

    models: Mapping[str, str]
    train: tuple[str, ...]

    def accuracies(self, variant: MethodVariant) -> list[float]:
        """Return those of the scan at the main number of supports.

        NaN at fluences where the data do not allow that number.
        """
        n_shot = self.main.main_n_shot
        found = [
            scores.by_variant[variant].get(n_shot) for scores in self.scan.values()
        ]
        return [math.nan if one is None else one.accuracy.mean for one in found]

    def as_csv(self) -> str:
        """Return a line for every fluence, variant and number of supports."""
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(HEADINGS)
        writer.writerows(self._lines())
        return target.getvalue()

    def _lines(self) -> Iterator[list[str]]:
        for fluence, scores in self.by_fluence.items():
            for variant, by_n_shot in scores.by_variant.items():
                for n_shot, summary in by_n_shot.items():
                    yield [
                        "" if fluence is None else f"{fluence:g}",
                        variant.method,
                        variant.variant,
                        variant.trained_on,
                        "yes" if variant.sees_supports else "no",
                        str(n_shot),
                        *_numbers(summary),
                        str(len(summary.per_sample)),
                    ]


def _numbers(summary: ScoreSummary) -> list[str]:
    accuracy = summary.accuracy
    values = (accuracy.mean, accuracy.low, accuracy.high, summary.f1.mean)
    return [f"{value:.4f}" for value in values]


def draw_methods(result: ComparisonResult) -> Figure:
    """Draw accuracy over fluence, a line per method and what it is trained on.

    Of several variants the first is drawn: a model's own rule, the paper's threshold,
    the features that do not change with rotation.

    Parameters
    ----------
    result : ComparisonResult
        Of a scan.
    """
    variants = _first_variants(result.main.by_variant)
    names = list(dict.fromkeys(variant.method for variant in variants))
    with new_figure(7.0, 4.0) as figure:
        axes = figure.subplots()
        for variant in variants:
            axes.plot(
                list(result.scan),
                result.accuracies(variant),
                LINES[variant.trained_on],
                **look(names.index(variant.method)),
                markersize=4,
                label=f"{variant.method}, {variant.variant}; "
                f"trained on {variant.trained_on}",
            )
        axes.set_xscale("log")
        axes.set_xlabel("fluence (1: as in the benchmark)")
        axes.set_ylabel(f"accuracy; supports per class: {result.main.main_n_shot}")
        mark_chance(axes, 1 / len(result.settings.classes))
        figure.legend(loc="outside right upper", fontsize=7, handlelength=4)
    return figure


def _first_variants(variants: Iterable[MethodVariant]) -> list[MethodVariant]:
    found: dict[tuple[str, str], MethodVariant] = {}
    for variant in variants:
        found.setdefault((variant.method, variant.trained_on), variant)
    return list(found.values())
