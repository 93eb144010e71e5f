"""YAML with the line of every key, so that errors can say where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from specklenn.core.errors import ConfigError

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML file as plain data.

    Parameters
    ----------
    data : object
        Dictionaries, lists and scalars.
    source : str
        Name of the file.
    lines : dict of location to int
        Line of every key and list item, from 1.
    problems : tuple of str
        Keys that stand twice.
    overrides : set of location
        Values that were given on the command line instead.
    """

    data: Any
    source: str
    lines: Mapping[Location, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    overrides: frozenset[Location] = frozenset()

    def where(self, location: Location) -> str:
        """Return ``file:line`` of a location or of its nearest parent."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.overrides:
                return "--set"
            line = self.lines.get(location[:length])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If it is missing or no YAML; the message has file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Document:
    """Parse YAML text; see `read_yaml`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{source}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {error}") from error
    lines: dict[Location, int] = {}
    problems: list[str] = []
    _walk(node, (), lines, problems, source)
    return Document(data, source, lines, tuple(problems))


def _walk(
    node: yaml.Node | None,
    location: Location,
    lines: dict[Location, int],
    problems: list[str],
    source: str,
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*location, str(key.value))
            line = key.start_mark.line + 1
            if place in lines:
                name = ".".join(map(str, place))
                problems.append(
                    f"{source}:{line}: {name} stands twice, first in line "
                    f"{lines[place]}"
                )
            lines[place] = line
            _walk(value, place, lines, problems, source)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            place = (*location, index)
            lines[place] = value.start_mark.line + 1
            _walk(value, place, lines, problems, source)
