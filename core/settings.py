"""The base of every configuration model: frozen, and unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

LARGEST_INTEGER = 2**63 - 1
"""Of a field without a limit of its own."""

Location = tuple[str | int, ...]
"""Keys, and numbers in lists, that lead to a value of a configuration."""


def _make_numbers_strict(schema: Any) -> None:
    """Change every number in a schema of pydantic; integers have 64 bits at most."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float"):
            schema["strict"] = True
        if schema.get("type") == "int" and not schema.keys() & {"le", "lt"}:
            schema["le"] = LARGEST_INTEGER
        if schema.get("type") == "int" and not schema.keys() & {"ge", "gt"}:
            schema["ge"] = -LARGEST_INTEGER
    if isinstance(schema, (dict, list, tuple)):
        for inner in schema.values() if isinstance(schema, dict) else schema:
            _make_numbers_strict(inner)


class Settings(BaseModel):
    """A frozen group of configuration values.

    Unknown keys are refused, defaults live in the model, units in the key. A number is
    a number: no truth value, no text, and no fraction where it counts something. A text
    may be written as a number (`specklenn.core.settings_yaml`).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )

    former_keys: ClassVar[Mapping[str, str]] = {}
    """Keys of the version before and what they are called now; still read."""

    removed_keys: ClassVar[Mapping[str, str]] = {}
    """Keys of the version before that mean nothing now, and what to do instead."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return how pydantic validates the model, numbers strictly."""
        schema = handler(source)
        _make_numbers_strict(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        """Read what was stored by the version before, as the card of a model.

        For files that people write see `specklenn.core.settings_renames`.
        """
        if not isinstance(given, dict):
            return given
        current = {old: new for old, new in cls.former_keys.items() if new not in given}
        return {current.get(key, key): value for key, value in given.items()}
