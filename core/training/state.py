"""The state of a training in one safetensors file, for going on later."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from specklenn.core.errors import DataError
from specklenn.core.training.trainer import Trainer


def save_state(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Write everything that `resume` needs; an older file stays until it is done."""
    tensors = {
        f"encoder.{name}": value for name, value in trainer.encoder.state_dict().items()
    }
    for number, state in trainer.optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"adam.{number}.{name}"] = value
    tensors["generator"] = trainer.generator.get_state()
    header = {
        "settings": trainer.settings.model_dump_json(),
        "steps_done": str(trainer.steps_done),
        "best": repr(trainer.best),
        "history": json.dumps(trainer.history),
    }
    part = Path(path).with_suffix(".part")
    whole = {name: value.contiguous() for name, value in tensors.items()}
    save_file(whole, part, metadata=header)
    part.replace(path)


def resume(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Go on from a state file, step for step as if never interrupted.

    Raises
    ------
    DataError
        If the file is no training state or was written with other settings.
    """
    header, tensors = _read(path)
    if header["settings"] != trainer.settings.model_dump_json():
        raise DataError(
            f"{path}: written by a training with other settings; "
            "remove it to start anew"
        )
    trainer.encoder.load_state_dict(_part(tensors, "encoder."))
    state = trainer.optimiser.state_dict()
    for key, value in _part(tensors, "adam.").items():
        number, _, name = key.partition(".")
        state["state"].setdefault(int(number), {})[name] = value
    trainer.optimiser.load_state_dict(state)
    trainer.generator.set_state(tensors["generator"])
    trainer.steps_done = int(header["steps_done"])
    trainer.best = float(header["best"])
    trainer.history = json.loads(header["history"])


def _read(
    path: str | os.PathLike[str],
) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a training state: {error}") from error
    if "steps_done" not in header:
        raise DataError(f"{path}: not a training state")
    return header, tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
