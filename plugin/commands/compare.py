"""``specklenn compare``: several models and baselines on the same patterns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
    from specklenn.core.evaluation.classifiers import FeatureClassifier
    from specklenn.core.evaluation.evaluate import FewShotScores
    from specklenn.core.evaluation.few_shot import EvaluationSettings
    from specklenn.core.evaluation.labelled_file import Expose, LabelledFile
    from specklenn.core.evaluation.prepared_file import Models, PreparedFile
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
        print(f"specklenn compare: left out: {why}", file=sys.stderr)
    if options.json is not None:
        write_file(options.json, comparison_json(result).encode())
    if options.csv is not None:
        write_file(options.csv, result.as_csv().encode())
    if options.plot is not None:
        kind = options.plot.suffix.lower().removeprefix(".")
        write_file(options.plot, as_bytes(draw_methods(result), kind))
    print_comparison(result)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn compare",
        description="Measure models, each under several rules, and baselines with the "
        "same supports and queries: the network of Shi et al. (2019), principal "
        "components with a support vector machine (Bobkov et al., 2015), and the "
        "number of photons.",
        epilog="Example: specklenn compare shots.h5 --models default,my.safetensors "
        "--train others.h5 --csv table.csv.  What is compared: docs/comparison.md.",
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
        help="the two to tell apart; default: single-hit,multi-hit; F1 is that of "
        "the first; + joins several to one: single-hit,multi-hit+non-sample-hit",
    )
    parser.add_argument("--json", type=Path, help="file for all scores")
    parser.add_argument("--csv", type=Path, help="file for the table")
    parser.add_argument(
        "--fluence-scan",
        type=fluences,
        nargs="?",
        const=(),
        metavar="FLUENCES",
        help="draw photons and noise anew at fluences such as 0.1,1,10 (default: "
        "0.01 to 100 by half decades); DATA and FILES must be expected photons",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw accuracy over fluence, a line per method, into a .png or .pdf file",
    )
    add_area_arguments(parser)
    return parser


def _names(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
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
        path = getattr(options, name)
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"--{name} {path}: its folder does not exist")
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


def load_models(names: Sequence[str]) -> dict[str, Checkpoint]:
    """Return models by the name of the table's rows.

    Raises
    ------
    ConfigError
        If two files have the same name.
    WeightsError
        If there is no such model.
    """
    from specklenn.core.network import checkpoint

    found: dict[str, Checkpoint] = {}
    for text in dict.fromkeys(names):
        name = Path(text).stem if text.endswith(".safetensors") else text
        if name in found:
            raise ConfigError(f"--models: two models are called {name!r}")
        found[name] = checkpoint.load(text)
    return found


def _compare(options: argparse.Namespace) -> ComparisonResult:
    """Score every classifier, at every fluence if there are several."""
    from specklenn.core.evaluation.few_shot import EvaluationSettings
    from specklenn.core.evaluation.fluence_scan import make_exposures
    from specklenn.core.reports.comparison_result import ComparisonResult
    from specklenn.core.simulation.noise import Noise

    models = {
        name: with_mates(model, options)
        for name, model in load_models(options.models).items()
    }
    files = _open_files(options, models)
    exposures = [
        make_exposures(file, options.fluence_scan, Noise(), options.seed + number)
        for number, file in enumerate(files)
    ]
    settings = EvaluationSettings(
        n_shot=options.n_shot,
        draws=options.draws,
        seed=options.seed,
        classes=options.classes,
        area=in_words(options),
    )
    return ComparisonResult(
        data=str(options.data),
        settings=settings,
        by_fluence={
            fluence: _score(
                {
                    file: ways[fluence]
                    for file, ways in zip(files, exposures, strict=True)
                },
                models,
                settings,
                "" if fluence is None else f" at fluence {fluence:g}",
            )
            for fluence in exposures[0]
        },
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
    from specklenn.core.evaluation.evaluate import evaluate
    from specklenn.core.evaluation.few_shot import draw_few_shot
    from specklenn.core.evaluation.prepared_file import model_classifiers, prepare_file
    from specklenn.plugin.console.progress_bar import on_screen

    prepared, *training = [
        prepare_file(file, models, way, on_screen(f"reading {file.path}{at}"))
        for file, way in exposed.items()
    ]
    draws = draw_few_shot(prepared.labels, prepared.names, settings)
    classifiers = model_classifiers(
        prepared, models, settings.classes, on_screen(f"embedding{at}")
    )
    classifiers += _baselines(prepared, training, models, settings)
    return evaluate(classifiers, draws, on_screen(f"scoring{at}"))


def _baselines(
    prepared: PreparedFile,
    training: Sequence[PreparedFile],
    models: Models,
    settings: EvaluationSettings,
) -> list[FeatureClassifier]:
    from specklenn.core.baselines.baselines import make_baselines
    from specklenn.core.evaluation.prepared_file import (
        baseline_preprocessing,
        join,
        labelled_features,
    )

    way = baseline_preprocessing(models)
    labelled = None
    if training:
        labelled = labelled_features(join(training), way, settings.classes)
    return make_baselines(
        prepared.inputs[way], prepared.photons, labelled, settings.seed
    )
