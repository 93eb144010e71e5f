"""The state of a training in one safetensors file, for going on later."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import DataError
from specklenn.core.training.history import History
from specklenn.core.training.settings import Training
from specklenn.core.training.trainer import Trainer

FORMAT = "2"


def save_state(
    path: str | os.PathLike[str], settings: Training, trainer: Trainer, history: History
) -> None:
    """Write everything that `resume` needs; an older file stays until it is done.

    Raises
    ------
    DataError
        If it cannot be written; an older file is left as it was.
    """
    header = {
        "format": FORMAT,
        "settings": settings.model_dump_json(),
        "history": history.state(),
    }
    with replacing(Path(path)) as (part,):
        save_file(trainer.state(), part, metadata=header)


def resume(
    path: str | os.PathLike[str], settings: Training, trainer: Trainer
) -> History:
    """Go on from a state file; returns the history up to there.

    Raises
    ------
    DataError
        If the file is no training state or was written with other settings.
    """
    header, tensors = _read(path)
    different = _differences(
        _settings(header["settings"]), settings.model_dump(mode="json")
    )
    if different:
        raise DataError(
            f"{path}: written by a training with other settings ("
            f"{'; '.join(different)}); --restart starts anew"
        )
    trainer.load_state(tensors)
    return History.from_state(header["history"])


def _settings(text: str) -> Any:
    """Return stored settings as plain data, with today's defaults where possible."""
    try:
        return Training.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return json.loads(text)


def _differences(theirs: Any, ours: Any, key: str = "training") -> list[str]:
    """Name the settings that differ, with both values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            line
            for name in sorted({*theirs, *ours})
            for line in _differences(theirs.get(name), ours.get(name), f"{key}.{name}")
        ]
    return [] if theirs == ours else [f"{key}: {theirs} there, {ours} here"]


def _read(
    path: str | os.PathLike[str],
) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a training state: {error}") from error
    if header.get("format") != FORMAT:
        raise DataError(
            f"{path}: not a training state of this version; --restart starts anew"
        )
    return header, tensors
