"""The base of every configuration model: frozen, and unknown keys are errors."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen group of configuration values.

    Unknown keys are refused, defaults live in the model, units in the key.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )
