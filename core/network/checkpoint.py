"""Released models: safetensors weights and a card that says where they are from.

``NAME.safetensors`` holds the tensors and, in its header, the architecture, the
preprocessing and the rule of classification; ``NAME.card.json`` beside it holds data,
seed, code commit, scores and the SHA-256 of the weights file, which is checked at
every load. Files with the names of the version before are still read, with a warning.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors import torch as tensors_of
from safetensors.torch import save_file

from specklenn.core.data.atomic import replacing
from specklenn.core.distances import Rule
from specklenn.core.errors import WeightsError, sentence
from specklenn.core.network.registry import Network, make_network
from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings

log = logging.getLogger(__name__)

PACKAGED = Path(str(importlib.resources.files("specklenn.core.network") / "weights"))

RULES: tuple[Rule, ...] = get_args(Rule)

TEMPERATURE = 0.1
"""Default temperature of scores, for models that are not calibrated."""

ADAPTER = "prototype_adapter."
"""How the names of an adapter's tensors begin; a network may have none."""

FORMER_TENSORS = {"placer.place.": f"{ADAPTER}offset.", "placer.": ADAPTER}
"""How names of tensors began in the version before, and how they begin now."""


class Card(Settings):
    """Where a model is from and how good it is.

    Parameters
    ----------
    name : str
        Name of the model.
    data : str
        What it was trained on.
    seed : int
        Seed of the training.
    commit : str
        Commit of the code that trained it.
    scores : dict
        Measured figures with their conditions.
    notes : str
        What a user should know: limits, geometry, time and hardware of training.
    sha256 : str
        SHA-256 of the weights file; filled in by `save`.
    """

    name: str
    data: str = ""
    seed: int = 0
    commit: str = ""
    scores: dict[str, Any] = Field(default_factory=dict)
    notes: str = ""
    sha256: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """A model as it lies in its file: what is sent to another process.

    Parameters
    ----------
    content : bytes
        The whole weights file.
    card : Card
    source : str
        Where it is from, for messages.
    """

    content: bytes
    card: Card
    source: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A model ready for use.

    Parameters
    ----------
    encoder : network
        Network in evaluation mode.
    preprocessing : Preprocessing
    card : Card
    rule : {"ensemble", "mean", "nearest", "soft", "prototype", "learned"}
        By which its training chose the best weights, and the one to classify by.
    temperature : float
        Temperature of the scores, calibrated so that they are probabilities.
    """

    encoder: Network
    preprocessing: Preprocessing
    card: Card
    rule: Rule = "mean"
    temperature: float = TEMPERATURE


def save(
    path: str | os.PathLike[str],
    encoder: Network,
    preprocessing: Preprocessing,
    card: Card,
    rule: Rule = "mean",
    temperature: float = TEMPERATURE,
) -> Card:
    """Write weights as float16 and their card; returns the card with the hash.

    Parameters
    ----------
    path : path
        Ends in ``.safetensors``; the card goes beside it.
    encoder, preprocessing, card, rule, temperature
        See `Checkpoint`.

    Raises
    ------
    DataError
        If they cannot be written; older files of this name stay as they are.
    """
    target = Path(path)
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in encoder.state_dict().items()
    }
    header = {
        "architecture": encoder.architecture,
        "input_side": str(encoder.input_side),
        "embedding_size": str(encoder.embedding_size),
        "preprocessing": preprocessing.model_dump_json(),
        "rule": rule,
        "temperature": repr(temperature),
    }
    with replacing(target, card_path(target)) as (weights, beside):
        save_file(tensors, weights, metadata=header)
        signed = card.model_copy(update={"sha256": file_hash(weights)})
        beside.write_text(signed.model_dump_json(indent=2) + "\n")
    return signed


def load(name_or_path: str | os.PathLike[str] = "default") -> Checkpoint:
    """Load a packaged model by name or any weights file by path.

    Raises
    ------
    WeightsError
        If the file or its card is missing, the hash differs from the card's,
        or the file is no model of this version.
    """
    return decode(read(name_or_path))


def read(name_or_path: str | os.PathLike[str]) -> Weights:
    """Read a model by name or path without making it.

    Raises
    ------
    WeightsError
        If the file or its card is missing or cannot be read.
    """
    path = find(name_or_path)
    card = _read_card(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"model.weights: {path} cannot be read: {error.strerror}"
        ) from error
    return Weights(content=content, card=card, source=str(path))


def decode(weights: Weights) -> Checkpoint:
    """Make the model of a weights file.

    Raises
    ------
    WeightsError
        If the hash differs from the card's, or the file is no model of this version.
    """
    card, source = weights.card, weights.source
    found = hashlib.sha256(weights.content).hexdigest()
    if found != card.sha256:
        raise WeightsError(
            f"model.weights: {source} has SHA-256 {found[:16]}…, its card says "
            f"{card.sha256[:16] or 'nothing'}…; the file is damaged or not the card's"
        )
    try:
        tensors = tensors_of.load(weights.content)
        header = _header(weights.content)
        keys = json.loads(header["preprocessing"])
        encoder = _encoder(header, _renamed(tensors))
        preprocessing = Preprocessing.model_validate(keys)
        rule = _rule(header)
        temperature = _temperature(header)
    except (SafetensorError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"model.weights: {source} is no model of this version: {sentence(error)}"
        ) from error
    if _renamed(tensors).keys() != tensors.keys() or (
        Preprocessing.former_keys.keys() & keys
    ):
        log.warning(
            "model.weights: %s has names of the version before, which are read for now",
            source,
        )
    return Checkpoint(
        encoder=encoder.eval(),
        preprocessing=preprocessing,
        card=card,
        rule=rule,
        temperature=temperature,
    )


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the path of a packaged model or of a file."""
    text = os.fspath(name_or_path)
    if not text.endswith(".safetensors"):
        packaged = PACKAGED / f"{text}.safetensors"
        if os.path.isfile(packaged):
            return packaged
        known = sorted(item.stem for item in PACKAGED.glob("*.safetensors"))
        raise WeightsError(
            f"model.weights: no packaged model {text!r}; packaged are "
            f"{', '.join(known) or 'none'}; a file's name ends in .safetensors"
        )
    if not os.path.isfile(text):
        raise WeightsError(f"model.weights: {text}: no such file")
    return Path(text)


def card_path(weights: Path) -> Path:
    """Return where the card of a weights file lies."""
    return weights.with_suffix(".card.json")


def _header(content: bytes) -> dict[str, str]:
    """Return the metadata: the file begins with the length of a JSON text and it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return dict(header.get("__metadata__", {}))


def _renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors by their names of this version."""
    for former, now in FORMER_TENSORS.items():
        tensors = {
            now + name.removeprefix(former) if name.startswith(former) else name: tensor
            for name, tensor in tensors.items()
        }
    return tensors


def _encoder(header: dict[str, str], tensors: dict[str, torch.Tensor]) -> Network:
    """Make the network that holds these tensors; a ValueError if none of ours does.

    Sizes that a header claims take no memory: the tensors of the file do.
    """
    with torch.device("meta"):
        encoder = make_network(
            header["architecture"],
            int(header["input_side"]),
            int(header["embedding_size"]),
        )
    if not any(name.startswith(ADAPTER) for name in tensors):
        encoder.prototype_adapter = None
    single = {name: _single_precision(name, own) for name, own in tensors.items()}
    encoder.load_state_dict(single, assign=True)
    return encoder


def _single_precision(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor with float32 in place of the file's float16."""
    if not tensor.is_floating_point():
        return tensor
    if not tensor.isfinite().all():
        raise ValueError(f"tensor {name} holds NaN or infinity, numbers expected")
    if name.endswith(".running_var") and bool((tensor < 0).any()):
        raise ValueError(f"tensor {name} holds variances below 0")
    return tensor.float()


def _temperature(header: dict[str, str]) -> float:
    found = float(header.get("temperature", TEMPERATURE))
    if not 0.0 < found < math.inf:
        raise ValueError(f"temperature {found:g}, a number above 0 expected")
    return found


def _rule(header: dict[str, str]) -> Rule:
    """Return the rule of a model; models from before there was a choice have none."""
    found = header.get("rule", "mean")
    for rule in RULES:
        if rule == found:
            return rule
    raise ValueError(f"rule {found!r}, one of {', '.join(RULES)} expected")


def _read_card(path: Path) -> Card:
    card = card_path(path)
    try:
        return Card.model_validate(json.loads(card.read_text()))
    except FileNotFoundError:
        raise WeightsError(
            f"model.weights: {card} is missing; a model comes with its card"
        ) from None
    except (OSError, RecursionError, ValueError) as error:
        raise WeightsError(
            f"model.weights: {card} is no model card: {sentence(error)}"
        ) from None


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
