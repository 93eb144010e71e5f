"""Packages that only some commands need."""

from __future__ import annotations

import importlib
from typing import Any

from specklenn.core.errors import MissingPackageError


def import_optional(name: str, purpose: str, extra: str) -> Any:
    """Import a package that is installed with an extra of specklenn.

    Raises
    ------
    MissingPackageError
        If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPackageError(
            f"{purpose} needs {name}; install it with: pip install 'specklenn[{extra}]'"
        ) from None
