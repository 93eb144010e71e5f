"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse
import math
import re
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

from specklenn.plugin.say import complain

if TYPE_CHECKING:
    from specklenn.core.settings_file import Document


NUMBERS = {"int": "a whole number", "float": "a number"}
"""What argparse calls by the name of a Python type."""


class Paragraphs(argparse.HelpFormatter):
    """Help in which lines stay lines, and names with hyphens stay whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = textwrap.TextWrapper(width - len(indent), break_on_hyphens=False)
        lines = [part for line in text.split("\n") for part in wrap.wrap(line) or [""]]
        return "\n".join(f"{indent}{line}".rstrip() for line in lines)


class CommandParser(argparse.ArgumentParser):
    """The command line of a command; what is wrong is one sentence, without usage."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": Paragraphs, **given})

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where all options stand; ends with 2."""
        for type_, wanted in NUMBERS.items():
            found = rf"invalid {type_} value: (.*)"
            message = re.sub(found, rf"\1 found, {wanted} expected", message)
        complain(f"{message}; see {self.prog} --help", f"{self.prog}: error")
        self.exit(2)


def add_config_arguments(
    parser: argparse.ArgumentParser,
    packaged: str = "demo",
    override: str = "source.path=run.h5",
) -> None:
    """Add the configuration and ``--set`` to a command line.

    Parameters
    ----------
    packaged, override : str
        Examples for the help: a packaged configuration, and a value that is given.
    """
    parser.add_argument(
        "config", help=f"YAML file, or the name of a packaged one such as {packaged}"
    )
    add_set_argument(parser, override)


def add_set_argument(parser: argparse.ArgumentParser, override: str) -> None:
    """Add ``--set`` alone."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override a value, as {override}; may be repeated",
    )


def read_config(options: argparse.Namespace, rank: int = 0) -> Document:
    """Return what the configuration and ``--set`` say, for `validate`.

    Parameters
    ----------
    options : argparse.Namespace
        With `add_config_arguments`.
    rank : int
        Rank of this process; only rank 0 logs warnings.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no YAML.
    """
    from specklenn.core import settings_renames
    from specklenn.core.config.overrides import overridden
    from specklenn.core.settings_file import read_yaml
    from specklenn.plugin.packaged_configs import find_config

    settings_renames.log.disabled = rank > 0
    return overridden(read_yaml(find_config(options.config)), options.set)


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


def add_quiet_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet`` to the command line of a run."""
    parser.add_argument(
        "--quiet", action="store_true", help="no progress line, only the summary"
    )
