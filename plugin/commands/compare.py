"""``specklenn compare``: several models and baselines on the same patterns."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.plugin.commands.arguments import CommandParser
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
    from specklenn.core.evaluation.evaluate import FewShotScores
    from specklenn.core.evaluation.few_shot import EvaluationSettings
    from specklenn.core.evaluation.labelled_file import Expose, LabelledFile
    from specklenn.core.evaluation.prepared_file import Models
    from specklenn.core.network.checkpoint import Checkpoint
    from specklenn.core.reports.comparison_result import ComparisonResult

KINDS = (".png", ".pdf")


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    from specklenn.core.reports.comparison_result import draw_methods
    from specklenn.core.reports.plotting import as_bytes
    from specklenn.core.reports.report import write_file
    from specklenn.core.reports.scores_json import comparison_json
    from specklenn.plugin.console.tables import print_comparison

    result = _compare(options)
    for why in result.main.draws.left_out:
        complain(f"left out: {why}", "specklenn compare")
    if options.json is not None:
        write_file(options.json, comparison_json(result).encode())
    if options.csv is not None:
        write_file(options.csv, result.as_csv().encode())
    if options.plot is not None:
        kind = options.plot.suffix.lower().removeprefix(".")
        write_file(options.plot, as_bytes(draw_methods(result), kind))
    print_comparison(result)
    for path in filter(None, (options.json, options.csv, options.plot)):
        say(f"wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="specklenn compare",
        description="Measure models, each under several rules, and baselines with the "
        "same supports and queries: the network of Shi et al. (2019), principal "
        "components with a support vector machine (Bobkov et al., 2015), and the "
        "number of photons.",
        epilog="Example:\n"
        "  specklenn compare shots.h5 --train others.h5 --csv table.csv\n"
        "What is compared: docs/comparison.md",
    )
    parser.add_argument("data", type=Path, help="labelled dataset, HDF5")
    parser.add_argument(
        "--models",
        type=_names,
        default=("default",),
        metavar="NAMES",
        help="packaged models or .safetensors files, as default,my.safetensors; the "
        "baselines see patterns as the first one does",
    )
    parser.add_argument(
        "--train",
        type=_paths,
        default=(),
        metavar="FILES",
        help="labelled shots of other samples, HDF5, like those of DATA: baselines "
        "are trained on them once, too, and then used without supports",
    )
    add_few_shot_arguments(parser, "the two")
    parser.add_argument("--csv", type=Path, help="file for the table")
    add_fluence_scan(parser, "DATA and FILES")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw accuracy over fluence, a line per method, into a .png or .pdf file",
    )
    add_area_arguments(parser)
    return parser


def _names(text: str) -> tuple[str, ...]:
    found = names(text)
    if not found:
        raise argparse.ArgumentTypeError("nothing found, at least one name expected")
    return found


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(name) for name in _names(text))


def _check(options: argparse.Namespace) -> None:
    """Refuse what would fail later, before any work."""
    if len(options.classes) != 2:
        raise ConfigError(
            f"--classes: {len(options.classes)} found, two expected; + joins several "
            "to one, as in single-hit,multi-hit+non-sample-hit"
        )
    for name in ("json", "csv", "plot"):
        check_folder(name, getattr(options, name))
    if options.plot is not None:
        _check_plot(options)
    from specklenn.core.baselines.bobkov2015 import require_sklearn

    require_sklearn()


def _check_plot(options: argparse.Namespace) -> None:
    if options.fluence_scan is None:
        raise ConfigError("--plot: goes together with --fluence-scan")
    if options.plot.suffix.lower() not in KINDS:
        raise ConfigError(f"--plot {options.plot}: a name in .png or .pdf expected")
    from specklenn.core.reports.plotting import require_matplotlib

    require_matplotlib()


def _load_models(given: Sequence[str]) -> dict[str, Checkpoint]:
    """Return models by the name of the table's rows."""
    from specklenn.core.network import checkpoint

    found: dict[str, Checkpoint] = {}
    for text in dict.fromkeys(given):
        name = Path(text).stem if text.endswith(".safetensors") else text
        if name in found:
            raise ConfigError(f"--models: two models are called {name!r}")
        found[name] = checkpoint.load(text)
    return found


def _compare(options: argparse.Namespace) -> ComparisonResult:
    """Score every classifier, at every fluence if there are several."""
    from specklenn.core.evaluation.fluence_scan import make_exposures
    from specklenn.core.reports.comparison_result import ComparisonResult
    from specklenn.core.simulation.noise import Noise

    models = {
        name: with_mates(model, options)
        for name, model in _load_models(options.models).items()
    }
    files = _open_files(options, models)
    exposures = [
        make_exposures(file, options.fluence_scan, Noise(), options.seed + number)
        for number, file in enumerate(files)
    ]
    settings, by_fluence = evaluation_settings(options), {}
    for fluence in exposures[0]:
        exposed = {
            file: ways[fluence] for file, ways in zip(files, exposures, strict=True)
        }
        at = "" if fluence is None else f" at fluence {fluence:g}"
        by_fluence[fluence] = _score(exposed, models, settings, at)
    return ComparisonResult(
        data=str(options.data),
        settings=settings,
        by_fluence=by_fluence,
        models={name: model.card.sha256 for name, model in models.items()},
        train=tuple(map(str, options.train)),
    )


def _open_files(options: argparse.Namespace, models: Models) -> list[LabelledFile]:
    """Return the file that is evaluated and those that baselines are trained on."""
    from specklenn.core.evaluation.checks import check_classes, check_leakage
    from specklenn.core.evaluation.labelled_file import LabelledFile

    files = [LabelledFile(path) for path in (options.data, *options.train)]
    first = next(iter(models.values()))
    for file in files:
        leave_out(file, options, first.preprocessing.centre)
    for file in files:
        check_classes(file, options.classes)
    check_leakage(files[0], files[1:])
    return files


def _score(
    exposed: Mapping[LabelledFile, Expose],
    models: Models,
    settings: EvaluationSettings,
    at: str,
) -> FewShotScores:
    """Score models and baselines on the first file; the others are for training."""
    from specklenn.core.baselines.baselines import make_baselines
    from specklenn.core.evaluation.evaluate import evaluate
    from specklenn.core.evaluation.few_shot import draw_few_shot
    from specklenn.core.evaluation.prepared_file import (
        baseline_preprocessing,
        model_classifiers,
        prepare_file,
    )
    from specklenn.plugin.console.progress_bar import on_screen

    prepared, *training = [
        prepare_file(file, models, way, on_screen(f"reading {file.path}{at}"))
        for file, way in exposed.items()
    ]
    draws = draw_few_shot(prepared.labels, prepared.names, settings)
    watch = on_screen(f"embedding{at}")
    way = baseline_preprocessing(models)
    classifiers = [
        *model_classifiers(prepared, models, settings.classes, watch),
        *make_baselines(prepared, training, way, settings),
    ]
    return evaluate(classifiers, draws, on_screen(f"scoring{at}"))
