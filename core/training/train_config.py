"""What ``specklenn train`` reads: which data, how to train, where to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from specklenn.core.distances import Rule
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName
from specklenn.core.training.ranks import Device, Precision
from specklenn.core.training.settings import Training
from specklenn.core.training.validate_model import ValidationFile


class TrainingRun(Settings):
    """One training, from files to weights.

    Parameters
    ----------
    name : str
        Of the model.
    data : list of path
        Labelled datasets to train on.
    start : path or list of path
        Weights to go on from instead of random ones: a file of this network, or the
        mean of several, of which each was trained on from another.
    data_bin : int or None
        Pixels of theirs that are summed per side; by default those of
        ``training.preprocess``. 1 where they were simulated with its larger pixels.
    validation : path, or list of path or ValidationFile
        Labelled datasets of other samples, with noise; the weights with the best
        five-shot accuracy on them are kept. The last weights without any.
    validation_rule : {"mean", "nearest", "soft", "prototype", "learned"}
        How supports give a distance, in validation and wherever the weights are
        used unless something else is asked for; stored with them.
    validate_every : int
        Steps between validations.
    validation_patterns : int
        Patterns per class and sample that are used, to save time.
    output : path
        Weights file; the card, the log with its picture, and the state go beside
        it.
    workers : int
        Processes that draw batches in the background, for every rank; 0 to draw
        between the steps.
    device : {"auto", "cpu", "cuda"}
        Where the network is trained; by default on a graphics card if there is one.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's inner numbers; by default bfloat16 on cards that can.
    note, commit : str
        For the card: what the data are, and the commit of the code.
    training : Training
    """

    name: str = "model"
    data: tuple[FileName, ...] = Field(min_length=1)
    start: tuple[FileName, ...] = ()
    data_bin: int | None = Field(default=None, ge=1, le=64)
    validation: tuple[ValidationFile, ...] = ()
    validation_rule: Rule = "mean"
    validate_every: int = Field(default=500, ge=1)
    validation_patterns: int = Field(default=40, ge=7)
    output: FileName
    workers: int = Field(default=0, ge=0, le=256)
    device: Device = "auto"
    precision: Precision = "auto"
    note: str = ""
    commit: str = ""
    training: Training = Training()

    @field_validator("start", mode="before")
    @classmethod
    def _as_paths(cls, value: Any) -> Any:
        """Accept a single file, or none."""
        if value is None:
            return ()
        return value if isinstance(value, (list, tuple)) else [value]

    @field_validator("validation", mode="before")
    @classmethod
    def _as_files(cls, value: Any) -> Any:
        """Accept a single file, and files by their path alone."""
        if value is None:
            return ()
        items = value if isinstance(value, (list, tuple)) else [value]
        return [
            {"file": item} if isinstance(item, (str, Path)) else item for item in items
        ]

    @property
    def state_file(self) -> Path:
        """Where the state of the training is kept, for resuming."""
        return self.output.with_suffix(".state.safetensors")

    @property
    def log_file(self) -> Path:
        """Where the log of the training is kept."""
        return self.output.with_suffix(".log.csv")

    @property
    def curves_file(self) -> Path:
        """Where a picture of the log is kept."""
        return self.output.with_suffix(".log.png")
