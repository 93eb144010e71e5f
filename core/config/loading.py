"""How the configuration of a run is read and checked; no data are opened.

YAML files of every command are read and validated by `core.settings_file`, values of
``--set`` put over them by `core.config.overrides`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import create_model

from specklenn.core import settings_yaml
from specklenn.core.config.overrides import overridden
from specklenn.core.config.run_config import Config
from specklenn.core.data.sources import ConfigFolder, SourceSettings, find_kind
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, read_yaml, validate
from specklenn.core.settings_renames import COMMAND_LINE


@dataclass(frozen=True, eq=False)
class LoadedConfig:
    """A checked configuration and the document it came from.

    Parameters
    ----------
    settings : Config
        With the paths of all files that it names.
    document : Document
        For messages that name file and line.
    """

    settings: Config
    document: Document

    @property
    def folder(self) -> ConfigFolder:
        """Where the file is, for kinds of sources from other packages."""
        typed = {
            str(key[1])
            for key, place in self.document.places.items()
            if key[:1] == ("source",) and len(key) > 1 and place == COMMAND_LINE
        }
        folder = next(iter(self.document.folders), Path())
        return ConfigFolder(folder=folder, typed=frozenset(typed))

    def where(self, *location: str | int) -> str:
        """Return ``file:line: key`` of a value."""
        return f"{self.document.where(location)}: {'.'.join(map(str, location))}"


def load_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read and check the configuration of a run; no data are opened.

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
    return check_config(overridden(read_yaml(path), overrides))


def check_config(document: Document) -> LoadedConfig:
    """Check a configuration against the settings of its kind of source.

    Raises
    ------
    ConfigError
        With every problem found, one line each.
    """
    kind = find_kind(_source(document).get("kind"))
    return LoadedConfig(validate(_config_of(kind), document), document)


@lru_cache
def _config_of(kind: type[SourceSettings]) -> type[Config]:
    return create_model("Config", __base__=Config, source=(kind, ...))


def _source(document: Document) -> dict[str, Any]:
    """Return what a document says of its source, nothing if that is no mapping."""
    data = document.data if isinstance(document.data, dict) else {}
    source = data.get("source")
    return source if isinstance(source, dict) else {}


def resolved_yaml(config: Settings) -> str:
    """Return the whole configuration, defaults included, as YAML."""
    values: dict[str, Any] = config.model_dump(mode="json")
    return settings_yaml.dump(values)
