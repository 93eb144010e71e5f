"""``specklenn emc``: the hits of a run as sparse photons, for Dragonfly."""

from __future__ import annotations

import argparse
from pathlib import Path

from specklenn.core.data.emc import EmcSummary, hits_to_emc
from specklenn.core.errors import DataError
from specklenn.core.labels import SINGLE_HIT
from specklenn.plugin.commands.arguments import CommandParser
from specklenn.plugin.say import say


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn emc",
        description="Write the single hits of a labelled dataset, such as the hits.cxi "
        "of a run, as sparse photons (EMC format of Dragonfly): whole photons, masked "
        "pixels empty, pixels row by row. Works while the run goes on, and on what a "
        "killed run has left.",
        epilog="Example:\n"
        "  specklenn emc output/hits.cxi -o hits.emc\n"
        "A run does it by itself with --set output.emc=true. More: docs/operating.md",
    )
    made.add_argument("data", type=Path, help="labelled dataset, HDF5 or CXI")
    made.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="hits.cxi makes hits.emc"
    )
    made.add_argument(
        "--classes",
        default=SINGLE_HIT,
        metavar="NAMES",
        help=f"classes to take, as single-hit,multi-hit ({SINGLE_HIT})",
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    target = options.output or options.data.with_suffix(".emc")
    if target.exists() and options.data.exists() and target.samefile(options.data):
        raise DataError(f"{target}: is the dataset itself; another name expected")
    classes = options.classes.split(",")
    made = hits_to_emc(options.data, target, classes)
    if not made.frames:
        raise DataError(_nothing(options.data, made, classes))
    say(f"wrote {target}: {made.frames} of {made.of} frames of {made.pixels} pixels")
    if made.note:
        say(f"! {made.note}")
    return 0


def _nothing(path: Path, made: EmcSummary, classes: list[str]) -> str:
    wanted, found = ", ".join(classes), ", ".join(made.labels) or "none"
    return f"{path}: no {wanted} among {made.of} frames; labels found: {found}"
