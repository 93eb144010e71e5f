"""``specklenn purity``: how pure a class of a run is, by looking at its shots."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.core.labels import SINGLE_HIT
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_set_argument,
    count,
    seed,
)
from specklenn.plugin.commands.label import INTERRUPTED, WRONG_USAGE, label_on_screen
from specklenn.plugin.say import complain, say

if TYPE_CHECKING:
    from specklenn.core.labelling.purity_check import PurityCheck
    from specklenn.core.labelling.purity_file import PurityStore
    from specklenn.core.results import Results
    from specklenn.plugin.labelling.purity_run import ShownRun

EPILOG = """\
The keys:
  Y  it is of the class     N  it is not     9  unsure, cannot say
  Space or right arrow  next, without an answer     left arrow  the one before
  U  undo   X  take the answer away   F  other shots   Q  leave
  C  whole frame or what the network sees   B  coarser pixels   L  scale

Shots are drawn at random and shown without label and score. Every answer is
saved at once; give the same command again to go on, or to print what came out.

Examples:
  specklenn purity output/amo06516-r0094
  specklenn purity results.h5 --class multi-hit --shots 100 --terminal
  specklenn purity results.h5 --others 50     how many single-hits were missed

docs/labelling.md, "How pure a run is"
"""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core.results import open_results
    from specklenn.plugin.console.tables import print_purity

    results = open_results(options.results)
    path = options.answers or results.path.with_name(
        f"{results.path.stem}.purity-{options.checked_class}.json"
    )
    if options.only_print:
        check = _known(path, results, options)
        if check is None:
            raise ConfigError(
                f"{path}: not found, so no answers to print; leave --only-print out "
                "to begin"
            )
        print_purity(check)
        return 0
    store, code = _ask(path, results, options)
    if code in (WRONG_USAGE, INTERRUPTED):
        return code
    print_purity(store.check)
    say(f"answers are in {path}")
    if not all(one.answer for one in store.check.shots):
        say("give the same command again to go on")
    return code


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn purity",
        description="Judge a run without truth: look at shots of one class, drawn at "
        "random, and say which belong to it. Prints the purity of the class "
        "with its 95 % interval, also above several scores.",
        epilog=EPILOG,
    )
    made.add_argument(
        "results",
        type=Path,
        metavar="RESULTS",
        help="results.h5 of a run that has ended or goes on, or its folder",
    )
    made.add_argument(
        "--class",
        dest="checked_class",
        default=SINGLE_HIT,
        metavar="NAME",
        help="class that is checked; default: single-hit",
    )
    made.add_argument(
        "--shots", type=count, default=50, help="of the class; default: 50"
    )
    made.add_argument(
        "--above-score",
        type=_score,
        default=0.0,
        metavar="S",
        help="only shots of the class with at least this score",
    )
    made.add_argument(
        "--others",
        type=seed,
        default=0,
        metavar="N",
        help="hits of all other classes that are drawn as well, for the recall",
    )
    made.add_argument(
        "--no-hits", action="store_true", help="no-hits are among the others"
    )
    made.add_argument("--seed", type=seed, default=0, help="of the draw; default: 0")
    made.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="RESULTS.purity-CLASS.json beside the results by default",
    )
    made.add_argument(
        "--only-print", action="store_true", help="print what the answers so far say"
    )
    made.add_argument(
        "--terminal", action="store_true", help="in the terminal, as over ssh"
    )
    add_set_argument(made, "source.path=/where/it/is/now.cxi")
    return made


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} found, 0 to 1 expected")
    return value


def _known(
    path: Path, results: Results, options: argparse.Namespace
) -> PurityCheck | None:
    """Return the check that is on disk, if there is one.

    Raises
    ------
    ConfigError
        If it is one of another class or of other results.
    """
    from specklenn.core.labelling.purity_file import read_check, same_draw

    if not path.exists():
        return None
    check = read_check(path)
    if check.checked_class != options.checked_class:
        raise ConfigError(
            f"{path}: answers on {check.checked_class} found, on "
            f"{options.checked_class} expected; see --class"
        )
    same_draw(path, check, results.rows, results.classes)
    return check


def _ask(
    path: Path, results: Results, options: argparse.Namespace
) -> tuple[PurityStore, int]:
    """Show the shots and keep the answers; returns these and an exit code."""
    from specklenn.core.labelling.purity_file import PurityStore
    from specklenn.plugin.labelling.purity_run import show_run

    check = _known(path, results, options)
    shown = show_run(results, options.set)
    for note in (*shown.notes, *_on_old(path, check)):
        complain(note, "specklenn purity")
    store = PurityStore(path, check or _draw(results, shown, options))
    store.save()  # before the first question, in case it cannot be
    if all(one.answer for one in store.check.shots):
        return store, 0
    return store, _answer(store, shown, options)


def _on_old(path: Path, check: PurityCheck | None) -> list[str]:
    if check is None:
        return []
    return [
        f"goes on with the {len(check.shots)} shots of {path}; --answers FILE draws "
        "others"
    ]


def _draw(
    results: Results, shown: ShownRun, options: argparse.Namespace
) -> PurityCheck:
    from specklenn.core.labelling.purity_check import draw_check

    return draw_check(
        results.rows,
        results.classes,
        results=str(results.path),
        checked_class=options.checked_class,
        above_score=options.above_score,
        shots=options.shots,
        others=options.others,
        no_hits=options.no_hits,
        seed=options.seed,
        there=shown.there,
    )


def _answer(store: PurityStore, shown: ShownRun, options: argparse.Namespace) -> int:
    import numpy as np

    from specklenn.core.labelling.purity_check import KEYS
    from specklenn.core.labelling.purity_file import DrawnOrder
    from specklenn.core.labelling.session import LabelSession

    session = LabelSession(
        np.array(sorted(one.shot for one in store.check.shots), np.int64),
        store,
        tuple(KEYS.values()),
        shown.picture,
        DrawnOrder(store.check),
        export=lambda: "every answer is saved already",
        keys=KEYS,
    )
    return label_on_screen(lambda: session, shown.title, options.terminal)
