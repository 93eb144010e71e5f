"""The codes that stand for labels in psocake's files, as a setting.

Others than the paper's authors may mean something else by the same codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from specklenn.core.labels import AUTHORS_CODES, UNKNOWN
from specklenn.core.support import ClassName


def _with_text_keys(value: Any) -> Any:
    """Accept codes that YAML has read as numbers."""
    if not isinstance(value, dict):
        return value
    return {str(k) if type(k) is int else k: name for k, name in value.items()}


def _named(codes: dict[str, str]) -> dict[str, str]:
    for name in codes.values():
        if name.isdecimal():
            raise ValueError(f"names of labels; {name!r} is a code")
    return codes


LabelCodes = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}$")], ClassName],
    Field(min_length=1),
    BeforeValidator(_with_text_keys),
    AfterValidator(_named),
]
"""What each code stands for."""


def code_of(label: str, codes: Mapping[str, str] = AUTHORS_CODES) -> str | None:
    """Return the code of a label; that of unknown for a label without one.

    None where unknown has none either.

    >>> [code_of(label) for label in ("single-hit", "no-hit", "droplet")]
    ['1', '9', '3']
    """
    found = {name: code for code, name in reversed([*codes.items()])}
    return found.get(label, found.get(UNKNOWN))
