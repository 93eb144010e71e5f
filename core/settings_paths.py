"""File names in a configuration: each starts from where it was written.

A field of the type `FileName` becomes the path of the file while a document is
validated (`specklenn.core.settings_file.validate`), so that nobody has to know
afterwards where a name came from: the folder of the document, or another folder for
text that is marked as `Elsewhere`, as what was typed on the command line.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BeforeValidator,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
)
from pydantic_core import PydanticSerializationUnexpectedValue
from yaml.representer import SafeRepresenter

from specklenn.core.settings_yaml import Written

Folders = Sequence[Path]
"""Where a name starts from: the first folder that has the file, or else the last."""

RELATIVE_TO = "relative_to"
"""Key of a serialization context: the folder that file names are given from."""

LONGEST_PART = 255
"""Bytes of a name between two slashes, of nearly every file system."""

_NAME = re.compile(r"[^\x00-\x1f]+")

WEIGHTS_SUFFIX = ".safetensors"


class Elsewhere(str):
    """A name with the folders that it starts from, other than its document's.

    Attributes
    ----------
    folders : sequence of Path
        What a file name in it starts from.
    """

    folders: Folders = ()


# Where a model allows any value the text stays as it is, and is text in YAML too.
yaml.SafeDumper.add_representer(Elsewhere, SafeRepresenter.represent_str)


def elsewhere(data: Any, folders: Folders) -> Any:
    """Return data of YAML with all texts marked as from these folders."""
    if isinstance(data, Written):
        data.text = elsewhere(data.text, folders)
    if isinstance(data, dict):
        return {key: elsewhere(value, folders) for key, value in data.items()}
    if isinstance(data, list):
        return [elsewhere(item, folders) for item in data]
    if not isinstance(data, str):
        return data
    text = Elsewhere(data)
    text.folders = folders
    return text


def located(name: str | Path, folders: Folders | None) -> Path:
    """Return the path of a file; ``~`` is the home folder.

    Parameters
    ----------
    name : str or Path
    folders : sequence of Path, or None
        Folders of the document; None leaves a name as it is.
    """
    if isinstance(name, Elsewhere):
        folders = name.folders
    expanded = Path(os.path.expanduser(name))
    paths = [folder / expanded for folder in folders or [Path()]]
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def _located(value: object, info: ValidationInfo) -> str:
    if isinstance(value, Written):
        value = value.text
    if not isinstance(value, (str, Path)) or not _NAME.fullmatch(str(value)):
        raise ValueError("the name of a file")
    if any(len(os.fsencode(part)) > LONGEST_PART for part in Path(value).parts):
        raise ValueError(f"names of at most {LONGEST_PART} bytes in each other")
    return str(located(value, info.context))


def _all_located(value: object, info: ValidationInfo) -> str | list[str]:
    if isinstance(value, list) and value:
        return [_located(item, info) for item in value]
    return _located(value, info)


def _located_weights(value: object, info: ValidationInfo) -> object:
    """Return the path of weights; a packaged model stays a name."""
    if isinstance(value, str) and value.endswith(WEIGHTS_SUFFIX):
        return str(located(value, info.context))
    return value


def _shown(path: Path, info: SerializationInfo) -> str:
    if not isinstance(path, Path):  # another type of a union
        raise PydanticSerializationUnexpectedValue
    folder = (info.context or {}).get(RELATIVE_TO)
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)


FileName = Annotated[
    Path,
    BeforeValidator(_located),
    PlainSerializer(_shown, return_type=str, when_used="json"),
]
"""A file or folder: an absolute path once it was read from a configuration."""

FileNames = Annotated[Path | list[Path], BeforeValidator(_all_located)]
"""One file, or several in order."""

WeightsName = Annotated[str, BeforeValidator(_located_weights)]
"""A packaged model by its name, or a ``.safetensors`` file."""
