"""The errors that specklenn raises on purpose.

Each message is one sentence: what was wrong, where, what was found and what
was expected. The command line prints it and ends with `exit_code`; nothing
else in the library prints or exits.
"""

from __future__ import annotations

import importlib
from typing import Any


class SpecklennError(Exception):
    """Anything that specklenn refuses, with a message for the user."""

    exit_code = 1


class ConfigError(SpecklennError, ValueError):
    """A configuration, support set or command line that cannot be used.

    Parameters
    ----------
    problems : list of str
        Every problem found, one line each. What a terminal would not print of a value
        that was found is escaped.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = [_printable(problem) for problem in problems]
        super().__init__("\n".join(self.problems))


def _printable(text: str) -> str:
    kept = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
    return "".join(kept)


class DataError(SpecklennError, OSError):
    """Data that cannot be opened, read or written."""


class WeightsError(SpecklennError, ValueError):
    """A weights file that cannot be trusted or does not fit."""

    exit_code = 2


class MissingPackageError(SpecklennError, ImportError):
    """An optional package that this command needs is not installed."""

    exit_code = 2


class EndOfRun(Exception):
    """A live source has no more shots."""


def sentence(error: BaseException) -> str:
    """Return what went wrong in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def import_optional(name: str, purpose: str, extra: str = "") -> Any:
    """Import a package that is installed with an extra of specklenn, or with none.

    Raises
    ------
    MissingPackageError
        If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        wanted = f"'specklenn[{extra}]'" if extra else name
        raise MissingPackageError(
            f"{purpose} needs {name}; install it with: pip install {wanted}"
        ) from None
