"""``specklenn evaluate``: few-shot accuracy of a model on labelled data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from specklenn.core.errors import ConfigError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.plugin.commands.area_arguments import (
    add_area_arguments,
    in_words,
    leave_out,
    with_mates,
)
from specklenn.plugin.commands.arguments import count, counts, fluences, seed

if TYPE_CHECKING:
    from specklenn.core.evaluation.labelled_file import Embedded, LabelledFile
    from specklenn.core.evaluation.model_evaluation import ModelEvaluation
    from specklenn.core.reports.evaluation_result import EvaluationResult
    from specklenn.core.reports.sample_sizes import Sizes
    from specklenn.core.reports.tsne import SampleMap
    from specklenn.core.simulation.noise import Noise


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    from specklenn.core.reports.report import make_folder, write_file
    from specklenn.core.reports.scores_json import evaluation_json
    from specklenn.plugin.console.progress_bar import on_screen
    from specklenn.plugin.console.tables import print_evaluation

    evaluation = _prepare(options)
    sizes = _sizes(options, evaluation.file)
    if options.report is not None:
        make_folder(options.report)  # before the work, in case it cannot be
    embedded = evaluation.embed(on_screen("embedding"))
    result = _evaluate(options, evaluation, embedded, sizes)
    _warn(result)
    if options.json is not None:
        write_file(options.json, evaluation_json(result).encode())
    print_evaluation(result)
    if options.report is not None:
        _write_report(options, evaluation, embedded, result)
        print(f"wrote {options.report / 'report.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    from specklenn.core.distances import Rule

    parser = argparse.ArgumentParser(
        prog="specklenn evaluate",
        description="Measure N-way X-shot accuracy, sample by sample.",
        epilog="Examples: specklenn evaluate shots.h5 --report report;  "
        "specklenn evaluate expected.h5 --fluence-scan --by-size --sizes atoms.csv "
        "--tsne --report report.  What each option shows: docs/evaluation.md.",
    )
    parser.add_argument("data", type=Path, help="labelled dataset, HDF5")
    parser.add_argument(
        "--weights", default="default", help="packaged model or .safetensors file"
    )
    parser.add_argument(
        "--n-shot",
        "--shots",
        type=counts,
        default=(1, 5, 20),
        help="supports per class, for example 1,5,20",
    )
    parser.add_argument("--draws", type=count, default=5, help="draws of supports")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--classes",
        type=_names,
        default=(SINGLE_HIT, MULTI_HIT),
        help="classes to tell apart; default: single-hit,multi-hit; F1 is that of "
        "the first; + joins several to one: single-hit,multi-hit+non-sample-hit",
    )
    parser.add_argument(
        "--rule",
        choices=get_args(Rule),
        help="how the supports of a class give one distance; the model's own by "
        "default; mean: their mean distance (paper); nearest; soft: between the two; "
        "prototype: distance to their mean; learned: to where the model has learned "
        "that a class with such supports lies",
    )
    parser.add_argument("--json", type=Path, help="file for all scores")
    add_area_arguments(parser)
    _add_report_arguments(parser)
    return parser


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="write report.html, figures (PNG, PDF), samples.csv and scores.json",
    )
    group.add_argument(
        "--fluence-scan",
        type=fluences,
        nargs="?",
        const=(),
        metavar="FLUENCES",
        help="draw photons and noise anew at fluences such as 0.1,1,10 (default: "
        "0.01 to 100 by half decades); the data must be expected photons",
    )
    group.add_argument(
        "--noise",
        metavar="YAML",
        help="noise of the scan where it is not the benchmark's, with the keys of an "
        "experiment: '{jitter_shape: 0, read_noise_photons: 0.3}'",
    )
    group.add_argument(
        "--by-size",
        action="store_true",
        help="draw every sample over its number of atoms, or over its radius without "
        "--sizes",
    )
    group.add_argument(
        "--sizes", type=Path, metavar="CSV", help="table with columns id and atoms"
    )
    group.add_argument(
        "--tsne",
        type=_names,
        nargs="?",
        const=(),
        metavar="NAMES",
        help="draw maps of these samples; default: the worst, a middle and the best",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check(options: argparse.Namespace) -> None:
    """Refuse what would fail later, before any work."""
    drawn = [
        name
        for name, asked in (("--by-size", options.by_size), ("--tsne", options.tsne))
        if asked not in (False, None)
    ]
    if drawn and options.report is None:
        raise ConfigError(f"{drawn[0]}: goes together with --report FOLDER")
    if options.noise is not None and options.fluence_scan is None:
        raise ConfigError("--noise: goes together with --fluence-scan")
    if not options.classes:
        raise ConfigError("--classes: none found, at least two expected")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        raise ConfigError(f"--json {options.json}: its folder does not exist")
    if options.report is not None:
        from specklenn.core.reports.plotting import require_matplotlib

        require_matplotlib()
        if options.tsne is not None:
            from specklenn.core.reports.tsne import require_sklearn

            require_sklearn()


def _prepare(options: argparse.Namespace) -> ModelEvaluation:
    """Load the model and the data; refuse what cannot be used."""
    from specklenn.core.evaluation.checks import check_classes, check_samples
    from specklenn.core.evaluation.few_shot import EvaluationSettings
    from specklenn.core.evaluation.fluence_scan import make_exposures
    from specklenn.core.evaluation.labelled_file import LabelledFile
    from specklenn.core.evaluation.model_evaluation import ModelEvaluation
    from specklenn.core.network import checkpoint

    model = with_mates(checkpoint.load(options.weights), options)
    file = LabelledFile(options.data)
    leave_out(file, options, model.preprocessing.centre)
    check_classes(file, options.classes)
    check_samples(file, options.tsne or ())
    return ModelEvaluation(
        file=file,
        model=model,
        rule=options.rule or model.rule,
        settings=EvaluationSettings(
            n_shot=options.n_shot,
            draws=options.draws,
            seed=options.seed,
            classes=options.classes,
            area=in_words(options),
        ),
        exposures=make_exposures(
            file, options.fluence_scan, _noise(options.noise or "{}"), options.seed
        ),
    )


def _noise(text: str) -> Noise:
    from specklenn.core.settings_file import parse_yaml
    from specklenn.core.simulation.noise import Noise
    from specklenn.core.validation import validate

    noise = validate(Noise, parse_yaml(text, "--noise"))
    if noise.adu_per_photon != 1 or noise.offset_adu != 0:
        raise ConfigError("--noise: models judge photons, no gain or offset expected")
    return noise


def _sizes(options: argparse.Namespace, file: LabelledFile) -> Sizes | None:
    from specklenn.core.reports.sample_sizes import read_sizes, simulated_radii

    if options.sizes is not None:
        return read_sizes(options.sizes, sorted(set(file.names.tolist())))
    return simulated_radii(file) if options.by_size else None


def _evaluate(
    options: argparse.Namespace,
    evaluation: ModelEvaluation,
    embedded: Mapping[float | None, Embedded],
    sizes: Sizes | None,
) -> EvaluationResult:
    from specklenn.core.reports.evaluation_result import EvaluationResult
    from specklenn.core.reports.scores_by_fluence import main_fluence
    from specklenn.plugin.console.progress_bar import on_screen

    by_fluence = {
        fluence: evaluation.scores(embedded[fluence])
        for fluence in on_screen("scoring")(list(embedded))
    }
    main = main_fluence(by_fluence)
    return EvaluationResult(
        data=str(options.data),
        weights=options.weights,
        sha256=evaluation.model.card.sha256,
        rule=evaluation.rule,
        settings=evaluation.settings,
        by_fluence=by_fluence,
        confidence=evaluation.confidence(embedded[main], by_fluence[main]),
        sizes=sizes,
    )


def _warn(result: EvaluationResult) -> None:
    draws, sizes = result.main.draws, result.sizes
    problems = [f"left out: {why}" for why in draws.left_out]
    missing = sizes.missing(draws.patterns) if sizes else []
    if missing:
        problems.append(f"size not known: {', '.join(missing)}")
    for problem in problems:
        print(f"specklenn evaluate: {problem}", file=sys.stderr)


def _write_report(
    options: argparse.Namespace,
    evaluation: ModelEvaluation,
    embedded: Mapping[float | None, Embedded],
    result: EvaluationResult,
) -> None:
    from specklenn.core.evaluation.labelled_file import read_pictures
    from specklenn.core.reports.report import write_report

    maps, expose = [], evaluation.exposures[result.fluence]
    if options.tsne is not None:
        maps = _maps(options, evaluation, embedded[result.fluence], result)
    pictures = [
        read_pictures(
            evaluation.file, evaluation.model, each.rows[each.examples], expose
        )
        for each in maps
    ]
    write_report(
        options.report, result, by_size=options.by_size, maps=maps, pictures=pictures
    )


def _maps(
    options: argparse.Namespace,
    evaluation: ModelEvaluation,
    embedded: Embedded,
    result: EvaluationResult,
) -> list[SampleMap]:
    from specklenn.core.reports.tsne import choose_samples, map_sample
    from specklenn.plugin.console.progress_bar import on_screen

    names = choose_samples(result.main, options.tsne)
    classifier = evaluation.classifier(embedded)
    return [
        map_sample(embedded, classifier, result.main, name, options.seed)
        for name in on_screen("t-SNE")(names)
    ]
