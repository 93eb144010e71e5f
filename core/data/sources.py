"""Kinds of sources: what a configuration says of one, and how it is opened.

Every kind is a settings model behind an entry point of the group
``specklenn.sources``; the entry point's name is ``source.kind``. The packaged kinds
are found in the same way as anybody's, so another package adds one without a change
here.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import create_model

from specklenn.core.data.shots import IndexedSource, LiveSource
from specklenn.core.errors import ConfigError
from specklenn.core.settings import Settings

GROUP = "specklenn.sources"


@dataclass(frozen=True, kw_only=True)
class ConfigFolder:
    """What file names in the settings of a source start from.

    Fields of the type `specklenn.core.settings_paths.FileName` are paths already; this
    is for kinds whose file names are plain text.

    Parameters
    ----------
    folder : Path
        Folder of the configuration.
    typed : frozenset of str
        Keys that were given on the command line instead.
    """

    folder: Path = Path()
    typed: frozenset[str] = frozenset()

    def path(self, name: str | Path, key: str = "path") -> Path:
        """Return the path of a file that the value of a key names."""
        return Path(name) if key in self.typed else self.folder / name


Place = ConfigFolder
"""The former name, which kinds of other packages may import."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One worker's part in a stream.

    Parameters
    ----------
    worker : int
        Number of the worker, from 0.
    workers : int
        How many there are.
    place : ConfigFolder
    """

    worker: int = 0
    workers: int = 1
    place: ConfigFolder = ConfigFolder()


class SourceSettings(Settings):
    """What a configuration says of a source; the base of every kind.

    A kind implements one of two methods: `open` for a run of which any shot can be
    read again, `join` for a stream.

    Parameters
    ----------
    kind : str
        Name of the entry point.
    """

    kind: str

    command: ClassVar[str] = "run"
    """The ``specklenn`` command that runs it."""

    @property
    def expected_shots(self) -> int:
        """Shots that a stream will have, 0 where nobody knows."""
        return 0

    def open(self, place: ConfigFolder) -> IndexedSource | None:
        """Open a run, on every rank and before the start; None for a stream.

        Raises
        ------
        DataError
            If it cannot be opened.
        MissingPackageError
            If a package is missing.
        """
        return None

    def await_start(self, place: ConfigFolder, say: Callable[[str], None]) -> None:
        """Wait for what a run needs before it can be opened; on every rank of a run.

        Parameters
        ----------
        say : function of str
            Takes sentences for a person.

        Raises
        ------
        DataError
            If it does not come.
        """

    def check(self, place: ConfigFolder) -> None:
        """Find what keeps a stream from being joined, on every rank, before the start.

        Raises
        ------
        ConfigError, DataError, MissingPackageError
            As `open`.
        """

    def join(self, share: Share) -> LiveSource:
        """Join a stream, on every worker, at the start.

        Raises
        ------
        DataError, MissingPackageError
            As `open`.
        """
        raise NotImplementedError(f"source.kind: {self.kind} has no run and no stream")

    def mask(self, place: ConfigFolder) -> npt.NDArray[np.bool_] | None:
        """Return the bad pixels of a stream, (H, W) True where bad, if known."""
        return None

    def modules(self, place: ConfigFolder) -> int:
        """Return how many modules lie on top of each other in a stream's frames."""
        return 1


class UnknownSource(SourceSettings, extra="allow"):
    """Stands in for a source whose kind is missing or unknown."""


def kinds() -> list[str]:
    """Return the names of all kinds of sources that are installed."""
    return sorted({item.name for item in _entry_points()})


def find_kind(name: object) -> type[SourceSettings]:
    """Return the settings of a kind.

    If it is unknown, a model whose validation lists the installed kinds.

    Raises
    ------
    ConfigError
        If the package behind it cannot be imported or is no source.
    """
    for item in _entry_points():
        if item.name == name:
            return _loaded(item)
    installed: Any = Literal[tuple(kinds())]
    return create_model("Unknown", __base__=UnknownSource, kind=(installed, ...))


def _entry_points() -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=GROUP)


def _loaded(item: importlib.metadata.EntryPoint) -> type[SourceSettings]:
    where = f"source.kind: {item.name!r}, entry point {item.value}"
    try:
        found = item.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}: cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, SourceSettings)):
        raise ConfigError(f"{where}: {found!r} found, a SourceSettings expected")
    return found
