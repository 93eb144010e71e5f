"""Values given on the command line, ``--set KEY=VALUE``, on top of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from specklenn.core.errors import ConfigError
from specklenn.core.settings import Location
from specklenn.core.settings_file import Document, in_one_line, parse_yaml, read_yaml
from specklenn.core.settings_paths import elsewhere, located
from specklenn.core.settings_renames import COMMAND_LINE
from specklenn.core.settings_yaml import scalar


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """Return a document with ``key.key=value`` settings on top, the last one wins.

    File names in them start from the working folder. What is wrong with them is
    among the problems of the document.
    """
    for text in overrides:
        try:
            document = _with_override(document, text)
        except ConfigError as error:
            problems = (*document.problems, *error.problems)
            document = dataclasses.replace(document, problems=problems)
    return document


def _with_override(document: Document, text: str) -> Document:
    key, separator, value = text.partition("=")
    typed = in_one_line(text)
    if not separator or not key:
        raise ConfigError(f"--set {typed}: KEY=VALUE expected, as source.path=a.h5")
    if not isinstance(document.data or {}, dict):
        raise ConfigError(f"--set {typed}: {document.source} is no mapping of keys")
    given = _typed(value.strip(), f"--set {in_one_line(key)}")
    location = tuple(key.split("."))
    for length in range(1, len(location)):
        document = _with_file_read(document, location[:length])
    value_here = elsewhere(given.data, (Path.cwd(),))
    return dataclasses.replace(
        document,
        data=_replaced(document.data, location, value_here),
        places=_replaced_places(document.places, location, given.places),
        problems=(*document.problems, *given.problems),
    )


def _typed(text: str, source: str) -> Document:
    """Return a typed value: a list or a group as YAML, else the word as it stands.

    A word in quotes is the word between them. What is in braces without a colon is
    one of the templates that some folder names are.
    """
    if text.startswith(("[", "{", "'", '"')):
        try:
            given = parse_yaml(text, source)
        except ConfigError:
            if text.startswith("["):
                raise
            return Document(text, source)
        return Document(text, source) if _is_template(given.data) else given
    return Document(scalar(text), source)


def _is_template(data: Any) -> bool:
    """Return whether a group has keys and not one value: ``{run}``, say."""
    if not isinstance(data, dict) or not data:
        return False
    return all(value is None for value in data.values())


def _with_file_read(document: Document, location: Location) -> Document:
    """Return a document with a group read from the YAML file that is named instead."""
    group = document.data
    for key in location:
        group = group.get(key) if isinstance(group, dict) else None
    if isinstance(group, list):
        name = in_one_line(".".join(map(str, location)))
        raise ConfigError(f"--set {name}: a list, which is given whole: {name}=[...]")
    if not isinstance(group, str) or not group.endswith((".yaml", ".yml")):
        return document
    inner = read_yaml(located(group, document.folders))
    return dataclasses.replace(
        document,
        data=_replaced(document.data, location, elsewhere(inner.data, inner.folders)),
        places={
            **document.places,
            **{(*location, *at): place for at, place in inner.places.items()},
        },
        problems=(*document.problems, *inner.problems),
    )


def _replaced_places(
    places: Mapping[Location, str], location: Location, inner: Collection[Location]
) -> dict[Location, str]:
    """Return where everything stands after a value and all in it have been given."""
    length = len(location)
    kept = {at: place for at, place in places.items() if at[:length] != location}
    made = [location[:n] for n in range(1, length) if location[:n] not in kept]
    given = [location, *((*location, *at) for at in inner)]
    return kept | dict.fromkeys([*made, *given], COMMAND_LINE)


def _replaced(data: Any, location: Location, value: Any) -> Any:
    """Return data with another value at a location; groups on the way are made."""
    if not location:
        return value
    group = data if isinstance(data, dict) else {}
    inner = _replaced(group.get(location[0]), location[1:], value)
    return {**group, location[0]: inner}
