"""``specklenn evaluate``: few-shot accuracy of a model on labelled data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from specklenn.core.errors import ConfigError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.plugin.commands.area_arguments import add_area_arguments
from specklenn.plugin.commands.arguments import count, counts, fluences, seed


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    from specklenn.core.reports.report import as_json, make_folder, write_file
    from specklenn.plugin.console.tables import print_study
    from specklenn.plugin.evaluation import Evaluation

    evaluation = Evaluation(options)
    if options.report is not None:
        make_folder(options.report)  # before the work, in case it cannot be
    study = evaluation.study()
    if options.json is not None:
        write_file(options.json, as_json(study).encode())
    print_study(study)
    if options.report is not None:
        evaluation.write_report(study)
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
