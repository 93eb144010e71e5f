"""Where a fine-tuned model is written: a new version beside the earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specklenn.core.data.atomic import replacing
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError
from specklenn.core.finetuning.cross_fitting import CrossFitted
from specklenn.core.finetuning.finetune import FinetunedModel, Finetuning
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The files of one version of a model."""

    weights: Path
    version: int

    @property
    def card(self) -> Path:
        """Card of the weights."""
        return checkpoint.card_path(self.weights)

    @property
    def supports(self) -> Path:
        """Labelled shots, with the mask in use."""
        return self.weights.with_suffix(".supports.h5")


def next_version(output: Path) -> ModelFiles:
    """Return the files of the first version that does not exist yet.

    Parameters
    ----------
    output : Path
        Without number and ending.

    Raises
    ------
    ConfigError
        If the folder does not exist.
    """
    if not output.parent.is_dir():
        raise ConfigError(f"output: {output}: its folder does not exist")
    version = 1
    while (output.parent / f"{output.name}_{version}.safetensors").exists():
        version += 1
    weights = output.parent / f"{output.name}_{version}.safetensors"
    return ModelFiles(weights=weights, version=version)


def write_model(
    files: ModelFiles,
    adaptation: Adaptation,
    finetuning: Finetuning,
    finetuned: FinetunedModel,
) -> None:
    """Write supports, weights and card; the weights last, so that they are whole.

    Raises
    ------
    DataError
        If something cannot be written.
    """
    shots = finetuning.shots
    labels = [shots.classes[code] for code in shots.codes]
    with replacing(files.supports) as (part,):
        write_dataset(part, shots.frames, labels, mask=shots.mask)
    card = Card(
        name=f"{adaptation.name} {files.version}",
        data=", ".join(str(run.file.name) for run in adaptation.data),
        seed=adaptation.seed,
        scores=_scores(finetuning, finetuned),
        notes=f"Adapted from {adaptation.start}, area {adaptation.area.words}.",
    )
    checkpoint.save(
        files.weights,
        finetuned.encoder,
        finetuning.model.preprocessing,
        card,
        finetuning.model.rule,
        finetuned.temperature,
    )


def _scores(finetuning: Finetuning, finetuned: FinetunedModel) -> dict[str, Any]:
    """Return what the card says: cross-fitted figures of all that was tried."""
    tried = {name: _figures(found) for name, found in finetuned.candidates.items()}
    limit = finetuned.result.suggested_reject_above_distance
    return {
        "labels": finetuning.shots.counts(),
        "folds": int(finetuning.folds.max()) + 1,
        "trained": finetuned.kept,
        "reasons": finetuned.reasons,
        "cross_fitted": tried,
        "yardstick": _figures(finetuned.yardstick),
        "temperature": round(finetuned.temperature, 4),
        "reject_above_distance": round(limit, 3),
    }


def _figures(result: CrossFitted) -> dict[str, float]:
    return {
        "accuracy": round(result.accuracy, 4),
        "log_loss_nats": round(result.log_loss, 4),
        "calibration_error": round(result.reliability.error, 4),
    }
