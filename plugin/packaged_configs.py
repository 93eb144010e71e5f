"""The configurations that come with the software."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from specklenn.core.errors import ConfigError


def folder() -> Path:
    """Return where the packaged configurations lie."""
    return Path(
        str(importlib.resources.files("specklenn.configs") / "demo.yaml")
    ).parent


def names() -> list[str]:
    """Return the names of the packaged configurations."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find_config(name: str) -> Path:
    """Return the path of a YAML file, or of a packaged one by its name.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    path = Path(name)
    if path.is_file():
        return path
    packaged = folder() / f"{name}.yaml"
    if path.suffix == "" and packaged.is_file():
        return packaged
    raise ConfigError(
        f"{name}: no such file; packaged configurations are {', '.join(names())}"
    )
