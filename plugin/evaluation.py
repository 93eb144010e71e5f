"""What ``specklenn evaluate`` does, step by step, with progress on the terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.fluence_scan import (
    HALF_DECADES,
    Exposure,
    fluence_of_expected_photons,
)
from specklenn.core.evaluation.labelled_file import (
    Expose,
    LabelledFile,
    as_read,
    embed_file,
    read_pictures,
)
from specklenn.core.evaluation.measurement import (
    EvaluationSettings,
    check_classes,
    measure,
)
from specklenn.core.network import checkpoint
from specklenn.core.reports.evaluation_result import EvaluationResult
from specklenn.core.reports.report import write_report
from specklenn.core.reports.sample_sizes import Sizes, read_sizes, simulated_radii
from specklenn.core.reports.tsne import (
    SampleMap,
    check_samples,
    choose_samples,
    map_sample,
)
from specklenn.core.settings_file import parse_yaml, validate
from specklenn.core.simulation.noise import Noise
from specklenn.plugin.commands.area_arguments import in_words, leave_out, with_mates
from specklenn.plugin.console.progress_bar import on_screen


class Evaluation:
    """One evaluation, ready to begin: everything that can be refused early was not.

    Parameters
    ----------
    options : Namespace
        The command line.

    Raises
    ------
    SpecklennError
        If the model, the data or what is asked of them cannot be used.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._model = with_mates(checkpoint.load(options.weights), options)
        self._file = LabelledFile(options.data)
        leave_out(self._file, options, self._model.preprocessing.centre)
        self._conditions = EvaluationSettings(
            shots=options.shots,
            draws=options.draws,
            seed=options.seed,
            classes=options.classes,
            rule=options.rule or self._model.rule,
            area=in_words(options),
            temperature=self._model.temperature,
            adapter=self._model.encoder.prototype_adapter,
        )
        check_classes(self._file, options.classes)
        check_samples(self._file, options.tsne or ())
        self._sizes = _sizes(options, self._file)
        self._exposures = _exposures(options, self._file)

    def study(self) -> EvaluationResult:
        """Embed and score everything."""
        options, ways = self._options, list(self._exposures.values())
        embedded = embed_file(self._file, self._model, ways, on_screen("embedding"))
        self._embedded = dict(zip(self._exposures, embedded, strict=True))
        measured = {
            fluence: measure(self._embedded[fluence], self._conditions)
            for fluence in on_screen("scoring")(list(self._embedded))
        }
        study = EvaluationResult(
            data=str(options.data),
            weights=options.weights,
            sha256=self._model.card.sha256,
            conditions=self._conditions,
            measured=measured,
            sizes=self._sizes,
        )
        self._warn(study)
        return study

    def write_report(self, study: EvaluationResult) -> list[Path]:
        """Write the report of a study into its folder; returns the files."""
        maps = self._maps(study) if self._options.tsne is not None else []
        expose = self._exposures[study.fluence]
        pictures = [
            read_pictures(self._file, self._model, each.rows[each.examples], expose)
            for each in maps
        ]
        return write_report(
            self._options.report,
            study,
            by_size=self._options.by_size,
            maps=maps,
            pictures=pictures,
        )

    def _maps(self, study: EvaluationResult) -> list[SampleMap]:
        names = choose_samples(study.main, self._options.tsne)
        embedded = self._embedded[study.fluence]
        return [
            map_sample(embedded, self._conditions, study.main, name)
            for name in on_screen("t-SNE")(names)
        ]

    def _warn(self, study: EvaluationResult) -> None:
        problems = [f"left out: {why}" for why in study.main.left_out]
        missing = self._sizes.missing(study.main.patterns) if self._sizes else []
        if missing:
            problems.append(f"size not known: {', '.join(missing)}")
        for problem in problems:
            print(f"specklenn evaluate: {problem}", file=sys.stderr)


def _sizes(options: argparse.Namespace, file: LabelledFile) -> Sizes | None:
    if options.sizes is not None:
        return read_sizes(options.sizes, np.unique(file.names).tolist())
    return simulated_radii(file) if options.by_size else None


def _exposures(
    options: argparse.Namespace, file: LabelledFile
) -> dict[float | None, Expose]:
    """Return what is judged: the patterns as they are, or shots at each fluence."""
    if options.fluence_scan is None:
        return {None: as_read}
    made_at = fluence_of_expected_photons(file)
    noise = _noise(options.noise or "{}")
    return {
        fluence: Exposure(
            file=file, fluence=fluence, made_at=made_at, noise=noise, seed=options.seed
        )
        for fluence in options.fluence_scan or HALF_DECADES
    }


def _noise(text: str) -> Noise:
    noise = validate(Noise, parse_yaml(text, "--noise"))
    if noise.adu_per_photon != 1 or noise.offset_adu != 0:
        raise ConfigError("--noise: models judge photons, no gain or offset expected")
    return noise
