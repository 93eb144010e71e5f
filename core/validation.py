"""Turns plain data into settings and pydantic's findings into plain sentences."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from specklenn.core.errors import ConfigError
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, Location

Model = TypeVar("Model", bound=Settings)


def validate(model: type[Model], document: Document, location: Location = ()) -> Model:
    """Check a part of a document against a settings model.

    Raises
    ------
    ConfigError
        With one line per problem: file, line, key, what was found, what is
        allowed.
    """
    data = _at(document.data, location)
    problems = list(document.problems)
    try:
        settings = model.model_validate({} if data is None else data)
    except ValidationError as error:
        problems.extend(_sentence(item, document, location) for item in error.errors())
    if problems:
        raise ConfigError(*problems)
    return settings


def _at(data: Any, location: Location) -> Any:
    for key in location:
        data = data[key]
    return data


def _sentence(item: ErrorDetails, document: Document, prefix: Location) -> str:
    place = (*prefix, *_real_keys(item["loc"], _at(document.data, prefix)))
    key = ".".join(map(str, place)) or "the file"
    return f"{document.where(place)}: {key}: {_what(item)}"


def _real_keys(location: Location, data: Any) -> Location:
    """Drop what pydantic puts between the keys: tags of unions, ``[key]``."""
    keys: list[str | int] = []
    for number, key in enumerate(location):
        last = number == len(location) - 1
        if isinstance(data, dict):
            if key in data:
                data = data[key]
            elif not last:
                continue
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        elif not last:
            continue
        keys.append(key)
    return tuple(keys)


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
        return f"{_short(found)} found, expected a group of keys"
    message = item["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input should be ")
    return f"{_short(found)} found, expected {message}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
