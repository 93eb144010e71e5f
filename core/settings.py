"""The base of every configuration model: frozen, and unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

Location = tuple[str | int, ...]
"""Keys, and numbers in lists, that lead to a value of a configuration."""


class Settings(BaseModel):
    """A frozen group of configuration values.

    Unknown keys are refused, defaults live in the model, units in the key.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    former_keys: ClassVar[Mapping[str, str]] = {}
    """Keys of the version before and what they are called now; still read."""

    removed_keys: ClassVar[Mapping[str, str]] = {}
    """Keys of the version before that mean nothing now, and what to do instead."""

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
