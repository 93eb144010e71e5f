"""Names in weights files of the version before, read as those of this version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from specklenn.core.preprocess import Preprocessing

ADAPTER = "prototype_adapter."
"""How the names of an adapter's tensors begin; a network may have none."""

TENSORS = {"placer.place.": f"{ADAPTER}offset.", "placer.": ADAPTER}
"""How names of tensors began in the version before, and how they begin now."""


def is_former(tensors: Iterable[str], keys: Iterable[str]) -> bool:
    """Return whether any tensor or key of the preprocessing has a former name."""
    return any(name.startswith(tuple(TENSORS)) for name in tensors) or any(
        key in Preprocessing.former_keys for key in keys
    )


def current_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by the names of this version."""
    return {_current_name(name): tensor for name, tensor in tensors.items()}


def current_keys(preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of the preprocessing by the keys of this version."""
    renamed = Preprocessing.former_keys
    return {renamed.get(key, key): value for key, value in preprocessing.items()}


def _current_name(name: str) -> str:
    for before, now in TENSORS.items():
        if name.startswith(before):
            return now + name.removeprefix(before)
    return name
