"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse
import math


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration and ``--set`` to a command line."""
    parser.add_argument(
        "config", help="YAML file, or the name of a packaged one such as demo"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value, as source.path=run.h5; may be repeated",
    )


def count(text: str) -> int:
    """Read a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} found, 1 or more expected")
    return int(text)


def counts(text: str) -> tuple[int, ...]:
    """Read numbers of 1 or more, each once, as 1,5,20."""
    return tuple(dict.fromkeys(count(part) for part in text.split(",")))


def seed(text: str) -> int:
    """Read a number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} found, 0 or more expected")
    return int(text)


def fluences(text: str) -> tuple[float, ...]:
    """Read fluences above 0 in order, as 0.1,1,10."""
    try:
        found = sorted({float(part) for part in text.split(",")})
    except ValueError:
        found = [math.nan]
    if not all(0 < fluence < math.inf for fluence in found):
        raise argparse.ArgumentTypeError(
            f"{text!r} found, fluences above 0 expected, as 0.1,1,10"
        )
    return tuple(found)
