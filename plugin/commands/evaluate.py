"""``specklenn evaluate``: few-shot accuracy of a model on labelled data."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from specklenn.core.errors import ConfigError
from specklenn.plugin.commands.arguments import CommandParser, add_set_argument
from specklenn.plugin.commands.few_shot_arguments import (
    add_area_arguments,
    add_few_shot_arguments,
    add_fluence_scan,
    check_folder,
    evaluation_settings,
    leave_out,
    names,
    with_mates,
)
from specklenn.plugin.say import complain, say

if TYPE_CHECKING:
    from specklenn.core.evaluation.disturbances import Disturbance
    from specklenn.core.evaluation.labelled_file import LabelledFile
    from specklenn.core.reports.evaluation_result import EvaluationResult
    from specklenn.core.reports.model_evaluation import ModelEvaluation
    from specklenn.core.reports.sample_sizes import Sizes
    from specklenn.core.simulation.noise import Noise


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    if options.supports is not None:
        from specklenn.plugin.commands import evaluate_supports

        evaluate_supports.check_options(options)
        return evaluate_supports.run(options)
    from specklenn.core.reports.report import make_folder, write_file, write_report
    from specklenn.core.reports.scores_json import evaluation_json
    from specklenn.plugin.console.progress_bar import on_screen
    from specklenn.plugin.console.tables import print_evaluation

    evaluation = _prepare(options)
    if options.report is not None:
        make_folder(options.report)  # before the work, in case it cannot be
    embedded = evaluation.embed(on_screen("embedding"))
    result = evaluation.evaluate(embedded, on_screen("scoring"))
    if options.disturb is not None:
        disturbed = evaluation.embed_disturbed(
            options.disturb, on_screen("embedding disturbed patterns")
        )
        table = evaluation.disturb(
            options.disturb, embedded, disturbed, on_screen("scoring disturbances")
        )
        result = dataclasses.replace(result, disturbances=table)
    _warn(result)
    if options.json is not None:
        write_file(options.json, evaluation_json(result).encode())
    print_evaluation(result)
    if options.json is not None:
        say(f"wrote {options.json}")
    if options.report is not None:
        maps = []
        if options.tsne is not None:
            watch = on_screen("t-SNE")
            maps = evaluation.map_samples(embedded, result, options.tsne, watch)
        pictures = evaluation.pictures(maps, result.fluence)
        write_report(options.report, result, options.by_size, maps, pictures)
        say(f"wrote {options.report / 'report.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    from specklenn.core.distances import Rule

    parser = CommandParser(
        prog="specklenn evaluate",
        description="Measure N-way X-shot accuracy, sample by sample.",
        epilog="Examples:\n"
        "  specklenn evaluate shots.h5 --report report\n"
        "  specklenn evaluate shots.h5 --supports support.yaml\n"
        "  specklenn evaluate shots.h5 --disturb gap,offset\n"
        "  specklenn evaluate expected.h5 --fluence-scan --by-size --report report\n"
        "What each option shows: docs/evaluation.md",
    )
    parser.add_argument("data", type=Path, help="labelled dataset, HDF5")
    parser.add_argument(
        "--weights", default="default", help="packaged model or .safetensors file"
    )
    add_few_shot_arguments(parser, "classes")
    parser.add_argument(
        "--rule",
        choices=get_args(Rule),
        metavar="RULE",
        help="one of %(choices)s: how the supports of a class give one distance; the "
        "model's own by default; mean: their mean distance (paper); soft: between mean "
        "and nearest; "
        "prototype: distance to their mean; learned: to where the model has learned "
        "that a class with such supports lies",
    )
    parser.add_argument(
        "--supports",
        type=Path,
        metavar="FILE",
        help="classify by these supports, YAML or HDF5, all shots of the data exactly "
        "as specklenn run does, in place of supports drawn from the data",
    )
    add_set_argument(parser, "hit_finder.enabled=false, with --supports")
    add_area_arguments(parser)
    _add_disturbances(parser)
    _add_report_arguments(parser)
    return parser


def _add_disturbances(parser: argparse.ArgumentParser) -> None:
    from specklenn.core.evaluation.disturbances import DISTURBANCES

    meanings = [f"{each.name}: {each.meaning}" for each in DISTURBANCES]
    group = parser.add_argument_group(
        "disturbances of real experiments", f"{'; '.join(meanings)}."
    )
    group.add_argument(
        "--disturb",
        type=_disturbances,
        nargs="?",
        const=DISTURBANCES,
        metavar="NAMES",
        help="measure how accuracy suffers by these, as gap,offset (default: all), "
        "with the same supports and shots as without; to stand after DATA",
    )


def _disturbances(text: str) -> tuple[Disturbance, ...]:
    """Read names of disturbances, as gap,offset.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is none of a name, or no name.
    """
    from specklenn.core.evaluation.disturbances import NAMES, find_disturbances

    found = names(text)
    if not found:
        known = ", ".join(NAMES)
        raise argparse.ArgumentTypeError(f"no name found; there are {known}")
    try:
        return find_disturbances(found)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="write report.html, figures (PNG, PDF), samples.csv and scores.json",
    )
    add_fluence_scan(group, "the data")
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
        type=names,
        nargs="?",
        const=(),
        metavar="NAMES",
        help="draw maps of these samples; default: the worst, a middle and the best",
    )


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
    if options.set and options.supports is None:
        raise ConfigError("--set: goes together with --supports FILE")
    if not options.classes:
        raise ConfigError("--classes: none found, at least two expected")
    check_folder("json", options.json)
    if options.report is not None:
        from specklenn.core.reports.plotting import require_matplotlib

        require_matplotlib()
        if options.tsne is not None:
            from specklenn.core.reports.tsne import require_sklearn

            require_sklearn()


def _prepare(options: argparse.Namespace) -> ModelEvaluation:
    """Load the model and the data; refuse what cannot be used."""
    from specklenn.core.evaluation.checks import check_classes, check_samples
    from specklenn.core.evaluation.fluence_scan import make_exposures
    from specklenn.core.evaluation.labelled_file import LabelledFile
    from specklenn.core.network import checkpoint
    from specklenn.core.reports.model_evaluation import ModelEvaluation

    model = with_mates(checkpoint.load(options.weights), options)
    file = LabelledFile(options.data)
    leave_out(file, options, model.preprocessing.centre)
    check_classes(file, options.classes)
    check_samples(file, options.tsne or ())
    return ModelEvaluation(
        file=file,
        weights=options.weights,
        model=model,
        rule=options.rule or model.rule,
        settings=evaluation_settings(options),
        exposures=make_exposures(
            file, options.fluence_scan, _noise(options.noise or "{}"), options.seed
        ),
        sizes=_sizes(options, file),
    )


def _noise(text: str) -> Noise:
    from specklenn.core.settings_file import parse_yaml, validate
    from specklenn.core.simulation.noise import Noise

    noise = validate(Noise, parse_yaml(text, "--noise"))
    if noise.adu_per_photon != 1 or noise.offset_adu != 0:
        raise ConfigError("--noise: models judge photons, no gain or offset expected")
    return noise


def _sizes(options: argparse.Namespace, file: LabelledFile) -> Sizes | None:
    from specklenn.core.reports.sample_sizes import read_sizes, simulated_radii

    if options.sizes is not None:
        return read_sizes(options.sizes, sorted(set(file.names.tolist())))
    return simulated_radii(file) if options.by_size else None


def _warn(result: EvaluationResult) -> None:
    draws, sizes, table = result.main.draws, result.sizes, result.disturbances
    reasons = [*draws.left_out, *(table.missing() if table else ())]
    problems = [f"left out: {why}" for why in reasons]
    missing = sizes.missing(draws.patterns) if sizes else []
    if missing:
        problems.append(f"size not known: {', '.join(missing)}")
    for problem in problems:
        complain(problem, "specklenn evaluate")
