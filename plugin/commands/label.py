"""``specklenn label``: label patterns from the keyboard, the most informative first.

The window is known by name only, as `specklenn.plugin.cli` knows the commands: this
package never draws, and the window gets all that it needs handed in.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.core.labels import (
    AUTHORS_CODES,
    MULTI_HIT,
    NON_SAMPLE_HIT,
    SINGLE_HIT,
)
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_set_argument,
    count,
    seed,
)
from specklenn.plugin.commands.few_shot_arguments import names
from specklenn.plugin.say import say

if TYPE_CHECKING:
    from specklenn.core.labelling.session import LabelSession

WINDOW = "specklenn.gui.labeller.app"
"""Module whose ``refuse()`` says why no window can open here, and whose
``run(session, title)`` opens it; both return an exit code."""

WRONG_USAGE, INTERRUPTED = 2, 130

EPILOG = """\
The keys:
  1 to 8  the classes in the order of --classes   0  no-hit   9  unknown
  Space or right arrow  next, without a label     left arrow  the one before
  S  most informative shot   U  undo   X  take the label away   F  other shots
  C  whole frame or what the network sees   B  coarser pixels   L  scale
  W  write supports and training data now   H  this list   Q  leave

Every label is saved at once, by name in FILE.labels.json beside FILE; give the
same command again to go on. With --experiment and --number psocake's
amo06516_0094.label.json is read and written beside it; classes without a code
(--codes) stand there as unknown.

Examples:
  specklenn label run.cxi --supports support.yaml
  specklenn label experiment.yaml --terminal --training labelled.h5
  specklenn label run.cxi --experiment amo06516 --number 94 --filter multi-hit

A configuration brings calibration, mask and crop of raw data. docs/labelling.md
"""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    from specklenn.core.labelling.session import label_keys
    from specklenn.plugin.labelling.labelling_run import LabellingRun

    if options.only_write and not (options.supports or options.training):
        raise ConfigError("--only-write: goes together with --supports or --training")
    label_keys(options.classes)  # refuses bad names before any work
    run = LabellingRun(options)
    for note in run.notes:
        say(note)
    code = 0
    if not options.only_write:
        code = label_on_screen(run.session, run.title, options.terminal)
    if code in (WRONG_USAGE, INTERRUPTED):
        return code
    if not options.only_write:
        run.store.save()
        say(f"{len(run.store.labels)} labels in {run.labels_path()}")
    if options.supports is not None or options.training is not None:
        say(run.export().replace("; ", "\n"))
    return code


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``specklenn label``."""
    made = CommandParser(
        prog="specklenn label",
        description="Label patterns of a run from the keyboard. The most informative "
        "pattern comes first: some that stand for many others, then those "
        "that the labels so far leave uncertain.",
        epilog=EPILOG,
    )
    made.add_argument(
        "run",
        metavar="RUN",
        help="HDF5 or CXI file, or the YAML configuration of a run",
    )
    made.add_argument(
        "--classes",
        type=names,
        default=(SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT),
        help="on keys 1, 2, 3; default: single-hit,multi-hit,non-sample-hit",
    )
    _add_files(made)
    _add_choice(made)
    made.add_argument(
        "--terminal", action="store_true", help="in the terminal, as over ssh"
    )
    made.add_argument("--weights", help="model that embeds; packaged name or file")
    made.add_argument("--dataset", help="frames in the file")
    add_set_argument(made, "calibration.adu_per_photon=130")
    return made


def _add_files(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("files")
    group.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="RUN.labels.json beside the data by default; or psocake's, which is kept "
        "up beside ours",
    )
    group.add_argument(
        "--codes",
        type=_codes,
        metavar="CODE=LABEL,...",
        help="what the codes in psocake's file mean; default: "
        + ",".join(f"{code}={label}" for code, label in AUTHORS_CODES.items()),
    )
    group.add_argument(
        "--experiment", metavar="NAME", help="for psocake's file of labels"
    )
    group.add_argument("--number", type=seed, metavar="N", help="run, for the same")
    group.add_argument(
        "--supports",
        type=Path,
        metavar="OUT.yaml",
        help="support set for specklenn run, written when you leave",
    )
    group.add_argument(
        "--shots",
        type=count,
        default=5,
        help="supports per class: those labelled first (5)",
    )
    group.add_argument(
        "--training",
        type=Path,
        metavar="OUT.h5",
        help="labelled dataset of all labelled hits, written when you leave",
    )
    group.add_argument(
        "--only-write",
        action="store_true",
        help="write these files from the labels that are there, and leave",
    )


def _add_choice(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("which shots")
    group.add_argument(
        "--order",
        choices=("suggested", "file"),
        default="suggested",
        help="most informative first, or as in the file, without a network",
    )
    group.add_argument(
        "--filter", metavar="WHICH", help="unlabelled (default), all, or a class"
    )
    group.add_argument(
        "--at-most", type=count, default=2000, help="hits that are offered (2000)"
    )
    group.add_argument("--no-hits", action="store_true", help="offer no-hits as well")


def _codes(text: str) -> dict[str, str]:
    """Return what an argument like ``0=no-hit,1=single-hit`` says."""
    from pydantic import TypeAdapter, ValidationError

    from specklenn.core.labelling.label_codes import LabelCodes

    words = [part.partition("=") for part in text.split(",")]
    try:
        return TypeAdapter(LabelCodes).validate_python(
            {code.strip(): label.strip() for code, _, label in words}
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise argparse.ArgumentTypeError(
            f"{text!r}: codes and labels as 0=no-hit,1=single-hit expected: {message}"
        ) from error


def label_on_screen(
    make_session: Callable[[], LabelSession], title: str, in_terminal: bool
) -> int:
    """Label in the window, or in the terminal where that is wanted or all there is.

    The session is made when it is known that something can be shown. Returns the exit
    code.
    """
    if in_terminal or not _window_would_be_seen():
        from specklenn.plugin.labelling import terminal

        return terminal.run(make_session(), title, sys.stdin, sys.stdout)
    window = importlib.import_module(WINDOW)
    code: int = window.refuse() or window.run(make_session(), title)
    return code


def _window_would_be_seen() -> bool:
    from specklenn.plugin.commands.demo import has_display

    return has_display(os.environ) or bool(os.environ.get("QT_QPA_PLATFORM"))
