"""Says sentences on the terminal, folded at words where a person reads them.

In a file or a pipe a sentence stays one line, so that it can be searched for.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import IO

WIDEST = 100
"""Columns of a line, where the terminal has more."""


def say(sentence: str) -> None:
    """Print a sentence."""
    print(folded(sentence, sys.stdout), flush=True)


def complain(sentence: str, who: str = "specklenn: error") -> None:
    """Print what is wrong on stderr, after who says it."""
    print(folded(f"{who}: {sentence}", sys.stderr), file=sys.stderr, flush=True)


def remark(sentence: str) -> None:
    """Print on stderr what a person should know."""
    print(folded(f"! {sentence}", sys.stderr), file=sys.stderr, flush=True)


def folded(text: str, stream: IO[str]) -> str:
    """Return text whose lines fit into the columns of a stream, names left whole."""
    columns = _columns(stream)
    if columns is None:
        return text
    lines = (
        textwrap.wrap(
            line,
            min(columns, WIDEST),
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )
    return "\n".join("\n".join(parts) for parts in lines)


def _columns(stream: IO[str]) -> int | None:
    """Return how wide a line may be: what COLUMNS says, or the terminal."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None
