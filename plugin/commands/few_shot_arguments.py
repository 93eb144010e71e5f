"""Command-line arguments that evaluate and compare share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.plugin.commands.area_arguments import in_words
from specklenn.plugin.commands.arguments import count, counts, fluences, seed

if TYPE_CHECKING:
    from specklenn.core.evaluation.few_shot import EvaluationSettings


def add_few_shot_arguments(parser: argparse.ArgumentParser, classes: str) -> None:
    """Add supports, draws, seed and classes to a command line.

    Parameters
    ----------
    parser : ArgumentParser
    classes : str
        What the classes are, in words.
    """
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
        type=names,
        default=(SINGLE_HIT, MULTI_HIT),
        help=f"{classes} to tell apart; default: single-hit,multi-hit; F1 is that of "
        "the first; + joins several to one: single-hit,multi-hit+non-sample-hit",
    )
    parser.add_argument("--json", type=Path, help="file for all scores")


def add_fluence_scan(parser: argparse._ActionsContainer, expected: str) -> None:
    """Add the scan of the fluence to a command line.

    Parameters
    ----------
    parser : ArgumentParser or a group of one
    expected : str
        What must be expected photons, in words.
    """
    parser.add_argument(
        "--fluence-scan",
        type=fluences,
        nargs="?",
        const=(),
        metavar="FLUENCES",
        help="draw photons and noise anew at fluences such as 0.1,1,10 (default: "
        f"0.01 to 100 by half decades); {expected} must be expected photons",
    )


def names(text: str) -> tuple[str, ...]:
    """Read names, as a,b."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def evaluation_settings(options: argparse.Namespace) -> EvaluationSettings:
    """Return how few-shot accuracy is measured."""
    from specklenn.core.evaluation.few_shot import EvaluationSettings

    return EvaluationSettings(
        n_shot=options.n_shot,
        draws=options.draws,
        seed=options.seed,
        classes=options.classes,
        area=in_words(options),
    )


def check_folder(name: str, path: Path | None) -> None:
    """Refuse a file to write in a folder that is not there.

    Parameters
    ----------
    name : str
        Of the option.
    path : Path or None

    Raises
    ------
    ConfigError
        If there is no such folder.
    """
    if path is not None and not path.absolute().parent.is_dir():
        raise ConfigError(f"--{name} {path}: its folder does not exist")
