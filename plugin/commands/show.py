"""``specklenn show``: a look at any file of shots, with a contact sheet."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from specklenn.plugin.commands.arguments import count

MOST_SHOTS = 10_000
"""Numbers that one word of --events may stand for."""

EXAMPLES = """\
examples:
  specklenn show output/results.h5         what a run said of its shots
  specklenn show output                    the same, by its folder
  specklenn show output/hits.cxi --best 16   those with the highest scores
  specklenn show output --class multi-hit --best 24 -o multi.png
  specklenn show run.cxi --events 0,7,100-120
  specklenn show raw.h5 --dataset /det/frames

Works on results.h5 (frames are looked for where the run had them, else in
hits.cxi), hits.cxi, labelled datasets and any other HDF5 file with frames
(N, H, W) or (N, modules, H, W), also while they are written. More:
docs/results.md.
"""


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="specklenn show",
        description="Say what is in a file of shots, and draw some of them with their\n"
        "numbers, classes and scores.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("file", type=Path, help="HDF5 or CXI file, or a run's folder")
    made.add_argument(
        "--events",
        type=events,
        default=(),
        metavar="NUMBERS",
        help="shot numbers and ranges, as 3,10-20,57",
    )
    made.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="only shots of this class; may be repeated",
    )
    made.add_argument(
        "--best",
        type=count,
        metavar="N",
        help="the N shots of each class with the highest scores",
    )
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PNG",
        help="picture to write (NAME-show.png here)",
    )
    made.add_argument(
        "--dataset",
        metavar="NAME",
        help="frames in the file, where they have an unusual name (the largest stack)",
    )
    made.add_argument(
        "--no-picture", action="store_true", help="only say what is in the file"
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core.reports.show import open_shown
    from specklenn.core.reports.shown_sheet import Choice, draw_shots
    from specklenn.plugin.console.shown import print_shown

    target = options.output or Path(f"{options.file.absolute().stem}-show.png")
    choice = Choice(events=options.events, classes=options.classes, best=options.best)
    with open_shown(options.file, options.dataset) as shown:
        print_shown(shown)
        if options.no_picture:
            return 0
        drawn = draw_shots(target, shown, choice)
    print(f"wrote {target}: {drawn}")
    return 0


def events(text: str) -> tuple[int, ...]:
    """Read shot numbers and ranges, each number once, as 3,10-20,57."""
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not 0 <= last - first < MOST_SHOTS:
            raise argparse.ArgumentTypeError(
                f"{part!r} found, a number or a range expected, as 3,10-20,57"
            )
        numbers.extend(range(first, last + 1))
    return tuple(dict.fromkeys(numbers))
