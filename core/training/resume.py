"""The state of a training in one safetensors file, for going on later."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import DataError
from specklenn.core.training.settings import Training
from specklenn.core.training.trainer import Trainer


def save_state(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Write everything that `resume` needs; an older file stays until it is done.

    Raises
    ------
    DataError
        If it cannot be written; an older file is left as it was.
    """
    header = {
        "settings": trainer.settings.model_dump_json(),
        "steps_done": str(trainer.steps_done),
        "seconds": repr(trainer.seconds),
        "best": repr(trainer.best),
        "history": json.dumps(trainer.history),
        "recent": json.dumps(trainer.recent),
    }
    with replacing(Path(path)) as (part,):
        save_file(_tensors(trainer), part, metadata=header)


def resume(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Go on from a state file, bit for bit as if never interrupted.

    What a step shows depends on its number and the seed alone, so nothing more than
    the tensors, the history and how many steps were made is needed. On a graphics
    card, where sums come in any order, the same up to rounding.

    Raises
    ------
    DataError
        If the file is no training state or was written with other settings.
    """
    header, tensors = _read(path)
    different = _differences(
        _settings(header["settings"]), trainer.settings.model_dump(mode="json")
    )
    if different:
        raise DataError(
            f"{path}: written by a training with other settings ("
            f"{'; '.join(different)}); --restart starts anew"
        )
    trainer.encoder.load_state_dict(_part(tensors, "encoder."))
    if trainer.average is not None:
        trainer.average.load_state_dict(_part(tensors, "average."))
    _load_optimiser(trainer, _part(tensors, "adam."))
    trainer.steps_done = int(header["steps_done"])
    trainer.seconds = float(header["seconds"])
    trainer.best = float(header["best"])
    trainer.history = json.loads(header["history"])
    trainer.recent = [(loss, share) for loss, share in json.loads(header["recent"])]


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    tensors = _named("encoder.", trainer.encoder)
    if trainer.average is not None:
        tensors |= _named("average.", trainer.average)
    for number, state in trainer.optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"adam.{number}.{name}"] = value
    return {name: value.contiguous() for name, value in tensors.items()}


def _named(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in network.state_dict().items()}


def _load_optimiser(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    optimiser = trainer.optimiser
    state = optimiser.state_dict()
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
    # As the optimiser laid them out: other strides can round differently.
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


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
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a training state: {error}") from error
    if "recent" not in header:
        raise DataError(f"{path}: not a training state of this version")
    return header, tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
