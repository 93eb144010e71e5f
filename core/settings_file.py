"""YAML as settings; every problem is told at once, with file, line and key."""

from __future__ import annotations

import dataclasses
import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from specklenn.core.errors import ConfigError
from specklenn.core.settings import Location, Settings
from specklenn.core.settings_paths import Folders
from specklenn.core.settings_renames import Renaming
from specklenn.core.settings_yaml import Loader

Model = TypeVar("Model", bound=Settings)

DEEPEST = 50
"""Groups and lists in each other, far beyond any that a model has."""

TOO_DEEP = f"more than {DEEPEST} groups or lists in each other"

MOST_VALUES = 1_000_000
"""Of one file, far beyond any; a few aliases of aliases can stand for billions."""

PACKAGED = Path(str(importlib.resources.files("specklenn.configs")))
"""Folder of the packaged configurations; what they name need not lie there too."""


@dataclass(frozen=True)
class Document:
    """A YAML file as plain data.

    Parameters
    ----------
    data : object
        Dictionaries, lists and scalars.
    source : str
        Name of the file.
    places : dict of location to str
        ``file:line`` of every key and list item, or ``--set``.
    problems : tuple of str
        Keys that stand twice, and what else is wrong before any value is looked at.
    folders : sequence of Path
        What file names start from, see `specklenn.core.settings_paths`.
    """

    data: Any
    source: str
    places: Mapping[Location, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    folders: Folders = ()

    def where(self, location: Location) -> str:
        """Return ``file:line`` of a location or its nearest parent, or ``--set``."""
        for length in range(len(location), 0, -1):
            place = self.places.get(location[:length])
            if place is not None:
                return place
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
    folder = path.parent.absolute()
    folders = (folder, Path.cwd()) if folder == PACKAGED else (folder,)
    return dataclasses.replace(parse_yaml(text, str(path)), folders=folders)


def parse_yaml(text: str, source: str) -> Document:
    """Parse YAML text; see `read_yaml`."""
    walk = _Walk(source)
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        walk.visit(node, (), ())
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{source}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        problem = str(error).splitlines()[0]
        raise ConfigError(f"{source}: not YAML: {problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: {TOO_DEEP}") from error
    return Document(data, source, walk.places, tuple(walk.problems))


class _Walk:
    """Notes where every key and every item of a list stands.

    Attributes
    ----------
    places : dict of location to str
    problems : list of str
        Keys that stand twice.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.places: dict[Location, str] = {}
        self.problems: list[str] = []

    def visit(
        self, node: yaml.Node | None, location: Location, within: tuple[yaml.Node, ...]
    ) -> None:
        """Note what stands in a node.

        Raises
        ------
        ConfigError
            If aliases make the document endless, or nobody can have meant its size.
        """
        if not isinstance(node, yaml.CollectionNode):
            return
        where = self.places.get(location, self._source)
        if node in within:
            name = in_one_line(".".join(map(str, location)))
            raise ConfigError(f"{where}: {name}: an alias of a group that it stands in")
        if len(within) == DEEPEST:
            raise ConfigError(f"{where}: {TOO_DEEP}")
        for key, inner, line in _entries(node):
            self._note((*location, key), line)
            self.visit(inner, (*location, key), (*within, node))

    def _note(self, location: Location, line: int) -> None:
        place = f"{self._source}:{line}"
        if location in self.places:
            name = in_one_line(".".join(map(str, location)))
            first = self.places[location]
            self.problems.append(
                f"{place}: {name} stands twice, first in line "
                f"{first.rpartition(':')[2]}"
            )
        self.places[location] = place
        if len(self.places) > MOST_VALUES:
            raise ConfigError(f"{place}: more than {MOST_VALUES} values in one file")


def _entries(node: yaml.CollectionNode) -> Iterator[tuple[str | int, yaml.Node, int]]:
    """Give key or number, value and line of what stands in a group or a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value, key.start_mark.line + 1
    else:
        for number, value in enumerate(node.value):
            yield number, value, value.start_mark.line + 1


PLAIN_WORDS = {
    "a valid tuple": "a list, as [first, second]",
    "a valid list": "a list, as [first, second]",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "a text",
    "a valid boolean": "true or false",
}
"""What pydantic calls by the names of Python."""


def validate(model: type[Model], document: Document) -> Model:
    """Check a document against a settings model.

    Raises
    ------
    ConfigError
        With one line per problem: file, line, key, what was found, what is
        allowed.
    """
    renaming = Renaming(document.places)
    data = renaming.group(model, {} if document.data is None else document.data)
    current = Document(data, document.source, renaming.places)
    problems = [*document.problems, *renaming.problems]
    try:
        settings = model.model_validate(data, context=document.folders or None)
    except ValidationError as error:
        for item in error.errors():
            problems.extend(_sentences(item, current))
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return settings


def _sentences(item: ErrorDetails, document: Document) -> list[str]:
    """Return a problem in words; those of another file that was read have their own."""
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return cause.problems
    location = _real_keys(item, document.data)
    key = in_one_line(".".join(map(str, location))) or "the file"
    return [f"{document.where(location)}: {key}: {_what(item)}"]


def _real_keys(item: ErrorDetails, data: Any) -> Location:
    """Return where a problem is, without pydantic's names of parts of unions."""
    keys: list[str | int] = []
    for key in item["loc"]:
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            continue
        keys.append(key)
    missing = item["loc"][-1:] if item["type"] == "missing" else ()
    return (*keys, *missing)


def _what(item: ErrorDetails) -> str:
    """Say what was found and what is allowed."""
    kind, found, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key (found {_short(found)}); see `specklenn config show`"
    if kind == "missing":
        return "missing, a value is required"
    if kind == "union_tag_not_found":
        return f"missing {context['discriminator']}, a value is required"
    if kind == "union_tag_invalid":
        name = context["discriminator"].strip("'")
        return (
            f"{name}: {context['tag']!r} found, one of {context['expected_tags']} "
            "expected"
        )
    if kind in ("model_type", "dict_type"):
        return f"{_short(found)} found, expected a group of keys, as {{key: value}}"
    message = item["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input should be ")
    message = PLAIN_WORDS.get(message, message)
    return f"{_short(found)} found, expected {message}"


def _short(value: Any) -> str:
    return in_one_line(repr(value))


def in_one_line(text: str) -> str:
    """Return what was found as a message shows it: the beginning, without line ends."""
    text = text.replace("\n", "\\n")
    return text if len(text) <= 60 else text[:57] + "..."
