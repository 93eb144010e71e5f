"""``specklenn replay``: the rows of a finished run made anew, shot by shot."""

from __future__ import annotations

import argparse
from pathlib import Path

MOST_DIFFERENT = 1e-4
"""Scores that differ by less are the same: sums of a batch depend on its size."""


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="specklenn replay",
        description="Classify the shots of a finished run from files again, each "
        "alone, by the fit that its row names, and compare labels, flags and scores "
        "with results.h5. Data, weights and supports must be where the run found them; "
        "rows of swapped models and supports are left out.",
        epilog="Example: specklenn replay output/amo-r0094.  Exit codes: 0 all the "
        "same, 1 not, 2 the run cannot be opened.",
    )
    made.add_argument("folder", type=Path, help="output folder of the run")
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.plugin.replay import replay

    found = replay(options.folder)
    rows = len(found.written)
    print(
        f"{rows} rows made anew: {found.same_labels} with the same label and flags, "
        f"scores differ by at most {found.largest_difference:.1g}"
    )
    if found.left_out:
        print(
            f"! {found.left_out} rows are left out: they are of another model or "
            "support set than the configuration's files hold now"
        )
    if rows == 0:
        return 1
    same = found.same_labels == rows and found.largest_difference < MOST_DIFFERENT
    return 0 if same else 1
