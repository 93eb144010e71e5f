"""``specklenn compare``: several models and baselines on the same patterns."""

from __future__ import annotations

import argparse
from pathlib import Path

from specklenn.core.errors import ConfigError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.plugin.commands.area_arguments import add_area_arguments
from specklenn.plugin.commands.arguments import count, counts, fluences, seed

KINDS = (".png", ".pdf")


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    _check(options)
    from specklenn.core.reports.comparison_result import draw_methods
    from specklenn.core.reports.plotting import as_bytes
    from specklenn.core.reports.report import write_file
    from specklenn.plugin.comparison import ComparisonRun
    from specklenn.plugin.comparison_tables import print_comparison

    report = ComparisonRun(options).report()
    if options.json is not None:
        write_file(options.json, report.as_json().encode())
    if options.csv is not None:
        write_file(options.csv, report.as_csv().encode())
    if options.plot is not None:
        kind = options.plot.suffix.lower().removeprefix(".")
        write_file(options.plot, as_bytes(draw_methods(report), kind))
    print_comparison(report)
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
