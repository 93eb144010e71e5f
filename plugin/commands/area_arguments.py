"""Command-line arguments for missing detector area, and what they do to the data."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specklenn.core.data.detector_area import Area
    from specklenn.core.evaluation.labelled_file import LabelledFile
    from specklenn.core.network.checkpoint import Checkpoint


def add_area_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--area``, ``--mask`` and ``--fill-mates`` to a command line."""
    group = parser.add_argument_group("missing detector area")
    group.add_argument(
        "--area",
        type=area,
        metavar="KEY=VALUE",
        help="classify with a part of the detector: quadrant=0 (upper left; 1 upper "
        "right, 2 lower left, 3 lower right), or modules=0,3",
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
    """Read an area, as quadrant=0 or modules=0,3.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    from specklenn.core.data.detector_area import Area
    from specklenn.core.errors import ConfigError
    from specklenn.core.settings_file import parse_yaml, validate

    key, _, value = text.partition("=")
    if key not in ("quadrant", "modules") or not value:
        raise argparse.ArgumentTypeError(
            f"{text!r} found, quadrant=0 to 3 or modules=0,3 expected"
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


def with_mates(model: Checkpoint, options: argparse.Namespace) -> Checkpoint:
    """Return the model, its patterns filled with their mates if asked for."""
    if not options.fill_friedel_mates:
        return model
    settings = model.preprocessing.model_copy(update={"fill_friedel_mates": True})
    return dataclasses.replace(model, preprocessing=settings)


def in_words(options: argparse.Namespace) -> str:
    """Say what of the detector is used."""
    words = [] if options.area is None else [options.area.words]
    words += [] if options.mask is None else [f"mask {options.mask}"]
    filled = ["mates filled"] if options.fill_friedel_mates else []
    return ", ".join([*(words or ["whole"]), *filled])
