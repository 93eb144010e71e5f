"""Command-line arguments that evaluate and compare share, and what they do."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.plugin.commands.arguments import count, counts, fluences, seed

if TYPE_CHECKING:
    from specklenn.core.data.detector_area import Area
    from specklenn.core.evaluation.few_shot import EvaluationSettings
    from specklenn.core.evaluation.labelled_file import LabelledFile
    from specklenn.core.network.checkpoint import Checkpoint

log = logging.getLogger(__name__)


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
        help="supports per class; default: 1,5,20",
    )
    parser.add_argument(
        "--draws", type=count, default=5, help="draws of supports; default: 5"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the draws; default: 0")
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
        area=_area_in_words(options),
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


def add_area_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--area``, ``--mask`` and ``--fill-mates`` to a command line."""
    group = parser.add_argument_group("missing detector area")
    group.add_argument(
        "--area",
        type=area,
        metavar="KEY=VALUE",
        help="classify with a part of the detector: quadrant=0 (upper left; 1 upper "
        "right, 2 lower left, 3 lower right), or modules=0,3; find_dead=false keeps "
        "gaps and stuck pixels that no mask names",
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="HDF5 file with a mask, 0 = good, added to that of the data",
    )
    group.add_argument(
        "--fill-mates",
        dest="fill_friedel_mates",
        action="store_true",
        help="give bad pixels what the pixel on the other side of the beam saw",
    )


def area(text: str) -> Area:
    """Read an area, as quadrant=0, modules=0,3 or find_dead=false.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    from specklenn.core.data.detector_area import Area
    from specklenn.core.settings_file import parse_yaml, validate

    key, _, value = text.partition("=")
    if key not in ("quadrant", "modules", "find_dead") or not value:
        raise argparse.ArgumentTypeError(
            f"{text!r} found, quadrant=0 to 3, modules=0,3 or find_dead=false expected"
        )
    listed = f"[{value}]" if key == "modules" else value
    try:
        return validate(Area, parse_yaml(f"{key}: {listed}", "--area"))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def leave_out(
    file: LabelledFile,
    options: argparse.Namespace,
    centre: tuple[float, float] | None,
) -> None:
    """Mask what the command line leaves out of a file.

    Parameters
    ----------
    file : LabelledFile
    options : Namespace
    centre : (row, column) or None
        Of the beam, see `specklenn.core.data.detector_area.area_mask`.

    Raises
    ------
    SpecklennError
        If there is no such area or mask.
    """
    from specklenn.core.data.detector_area import area_mask
    from specklenn.core.data.masks import read_mask_file

    if options.area is not None:
        file.leave_out(area_mask(options.area, file.shape, file.modules, centre))
    if options.mask is not None:
        file.leave_out(read_mask_file(options.mask, shape=file.shape))
    if options.area is None or options.area.find_dead:
        for sentence in file.leave_out_bad_pixels():
            log.warning("%s: %s", file.path, sentence)


def with_mates(model: Checkpoint, options: argparse.Namespace) -> Checkpoint:
    """Return the model, its patterns filled with their mates if asked for."""
    if not options.fill_friedel_mates:
        return model
    settings = model.preprocessing.model_copy(update={"fill_friedel_mates": True})
    return dataclasses.replace(model, preprocessing=settings)


def _area_in_words(options: argparse.Namespace) -> str:
    """Say what of the detector is used."""
    words = [] if options.area is None else [options.area.words]
    words += [] if options.mask is None else [f"mask {options.mask}"]
    filled = ["mates filled"] if options.fill_friedel_mates else []
    return ", ".join([*(words or ["whole"]), *filled])
