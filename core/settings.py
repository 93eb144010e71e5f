"""The base of every configuration model: frozen, and unknown keys are errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

log = logging.getLogger(__name__)


class Settings(BaseModel):
    """A frozen group of configuration values.

    Unknown keys are refused, defaults live in the model, units in the key.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    former_keys: ClassVar[Mapping[str, str]] = {}
    """Keys of the version before and what they are called now; still read, and said."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for old, new in cls.former_keys.items():
            if old in given and new not in given:
                given = {new if key == old else key: v for key, v in given.items()}
                log.warning(
                    "%s is called %s now; the old key is read for now", old, new
                )
        return given
