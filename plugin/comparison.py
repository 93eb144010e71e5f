"""What ``specklenn compare`` does, step by step, with progress on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.comparison import (
    Comparison,
    PreparedFile,
    check_leakage,
    compare,
    join,
    make_methods,
    see_file,
)
from specklenn.core.evaluation.fluence_scan import (
    HALF_DECADES,
    Exposure,
    fluence_of_expected_photons,
)
from specklenn.core.evaluation.labelled_file import Expose, LabelledFile, as_read
from specklenn.core.evaluation.measurement import EvaluationSettings, check_classes
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.reports.comparison_result import ComparisonReport
from specklenn.core.simulation.noise import Noise
from specklenn.plugin.commands.area_arguments import in_words, leave_out, with_mates
from specklenn.plugin.console.progress_bar import on_screen


class ComparisonRun:
    """One comparison, ready to begin: everything that can be refused early was not.

    Parameters
    ----------
    options : Namespace
        The command line.

    Raises
    ------
    SpecklennError
        If the models, the data or what is asked of them cannot be used.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._models = {
            name: with_mates(model, options)
            for name, model in load_models(options.models).items()
        }
        self._file = LabelledFile(options.data)
        self._training = [LabelledFile(path) for path in options.train]
        first = next(iter(self._models.values()))
        for file in self._all_files:
            leave_out(file, options, first.preprocessing.centre)
        self._conditions = EvaluationSettings(
            shots=options.shots,
            draws=options.draws,
            seed=options.seed,
            classes=options.classes,
            area=in_words(options),
        )
        for file in (self._file, *self._training):
            check_classes(file, options.classes)
        check_leakage(self._file, self._training)
        self._fluences = _fluences(options)
        self._made_at = (
            {file.path: fluence_of_expected_photons(file) for file in self._all_files}
            if self._fluences != [None]
            else {}
        )

    def report(self) -> ComparisonReport:
        """Measure every method, at every fluence if there are several."""
        report = ComparisonReport(
            data=str(self._file.path),
            models={name: each.card.sha256 for name, each in self._models.items()},
            train=tuple(str(file.path) for file in self._training),
            conditions=self._conditions,
            compared={fluence: self._compare(fluence) for fluence in self._fluences},
        )
        for why in report.main.left_out:
            print(f"specklenn compare: left out: {why}", file=sys.stderr)
        return report

    @property
    def _all_files(self) -> list[LabelledFile]:
        return [self._file, *self._training]

    def _compare(self, fluence: float | None) -> Comparison:
        at = "" if fluence is None else f" at fluence {fluence:g}"
        seen, *others = [
            self._see(file, number, fluence, at)
            for number, file in enumerate(self._all_files)
        ]
        methods = make_methods(
            seen,
            self._models,
            join(others) if others else None,
            self._conditions,
            on_screen(f"embedding{at}"),
        )
        return compare(seen, methods, self._conditions, on_screen(f"scoring{at}"))

    def _see(
        self, file: LabelledFile, number: int, fluence: float | None, at: str
    ) -> PreparedFile:
        expose: Expose = as_read
        if fluence is not None:
            expose = Exposure(
                file=file,
                fluence=fluence,
                made_at=self._made_at[file.path],
                noise=Noise(),
                seed=self._conditions.seed + number,
            )
        words = f"reading {file.path}{at}"
        return see_file(file, self._models, expose, on_screen(words))


def load_models(names: Sequence[str]) -> dict[str, Checkpoint]:
    """Return models by the name of the table's rows.

    Raises
    ------
    ConfigError
        If two files have the same name.
    WeightsError
        If there is no such model.
    """
    found: dict[str, Checkpoint] = {}
    for text in dict.fromkeys(names):
        name = Path(text).stem if text.endswith(".safetensors") else text
        if name in found:
            raise ConfigError(f"--models: two models are called {name!r}")
        found[name] = checkpoint.load(text)
    return found


def _fluences(options: argparse.Namespace) -> list[float | None]:
    if options.fluence_scan is None:
        return [None]
    return list(options.fluence_scan or HALF_DECADES)
