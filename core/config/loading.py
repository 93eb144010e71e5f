"""How a configuration is read from a YAML file and checked; no data are opened."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import create_model

from specklenn.core.config.run_config import Config
from specklenn.core.data.sources import Place, find_kind
from specklenn.core.errors import ConfigError
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, parse_yaml, read_yaml
from specklenn.core.validation import validate


@dataclass(frozen=True, eq=False)
class LoadedConfig:
    """A checked configuration and the document it came from.

    Parameters
    ----------
    settings : Config
    document : Document
        For messages that name file and line.
    folder : Path
        What relative file names start from.
    """

    settings: Config
    document: Document
    folder: Path

    def path(self, name: str, *location: str) -> Path:
        """Return the path of a file that the value at this location names."""
        given_by_hand = location in self.document.overrides
        return Path(name) if given_by_hand else self.folder / name

    @property
    def place(self) -> Place:
        """What file names in the settings of the source start from."""
        return _place(self.document, self.folder)

    def where(self, *location: str | int) -> str:
        """Return ``file:line: key`` of a value."""
        return f"{self.document.where(location)}: {'.'.join(map(str, location))}"


def load_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read and check a configuration; no data are opened.

    Parameters
    ----------
    path : Path
        YAML file.
    overrides : sequence of str
        ``key.key=value``, the value as YAML.

    Raises
    ------
    ConfigError
        With every problem found, one line each.
    """
    folder = path.parent
    written = _completed(read_yaml(path), folder)
    # Again for a file that is named on the command line.
    document = _completed(overridden(written, overrides), folder)
    return check_config(document, folder)


def check_config(document: Document, folder: Path) -> LoadedConfig:
    """Check a configuration against the settings of its kind of source.

    Raises
    ------
    ConfigError
        With every problem found, one line each.
    """
    kind = find_kind(_source(document).get("kind"))
    model = create_model("Config", __base__=Config, source=(kind, ...))
    return LoadedConfig(validate(model, document), document, folder)


def _completed(document: Document, folder: Path) -> Document:
    """Return a document with what its source takes from other files."""
    written = _source(document)
    kind = find_kind(written.get("kind"))
    completed = kind.complete(written, _place(document, folder))
    if completed == written:
        return document
    return dataclasses.replace(document, data={**document.data, "source": completed})


def _source(document: Document) -> dict[str, Any]:
    """Return what a document says of its source, nothing if that is no mapping."""
    data = document.data if isinstance(document.data, dict) else {}
    source = data.get("source")
    return source if isinstance(source, dict) else {}


def _place(document: Document, folder: Path) -> Place:
    by_hand = {str(key[1]) for key in document.overrides if key[:1] == ("source",)}
    return Place(folder=folder, by_hand=frozenset(by_hand))


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """Return a document with ``key.key=value`` settings on top."""
    if not overrides:
        return document
    data = copy.deepcopy(document.data) if document.data is not None else {}
    for text in overrides:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set {text}: KEY=VALUE expected, as source.path=a.h5")
        place = data
        *parents, last = key.split(".")
        for parent in parents:
            if not isinstance(place, dict):
                break
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        if not isinstance(place, dict):
            raise ConfigError(f"--set {text}: {document.source} is no mapping of keys")
        place[last] = parse_yaml(value, f"--set {key}").data
    given = frozenset(tuple(text.partition("=")[0].split(".")) for text in overrides)
    return dataclasses.replace(document, data=data, overrides=given)


def resolved_yaml(config: Settings) -> str:
    """Return the whole configuration, defaults included, as YAML."""
    values: dict[str, Any] = config.model_dump(mode="json")
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return text
