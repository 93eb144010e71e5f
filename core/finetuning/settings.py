"""What `specklenn adapt` is told: labels, the model to start from, the tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from specklenn.core.config.run_config import Calibration, PreprocessOverrides
from specklenn.core.data import labelled_dataset
from specklenn.core.data.detector_area import Area
from specklenn.core.labelling.label_codes import LabelCodes
from specklenn.core.labels import ABSTENTIONS, AUTHORS_CODES
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName, WeightsName
from specklenn.core.support import ClassName


class LabelledRun(Settings):
    """Labelled shots of one run.

    Parameters
    ----------
    file : path
        HDF5 or CXI file.
    dataset : str
        Frames in it.
    labels : path or None
        JSON file of labels, ours or psocake's; by default the labels are in the file.
    """

    file: FileName
    dataset: str = labelled_dataset.DATA
    labels: FileName | None = None


class Tuning(Settings):
    """How a trained network is trained on, its last layers or all of it.

    Parameters
    ----------
    steps : int
    patterns_per_class : int
        In a batch.
    learning_rate : float
        The highest; it rises over the first steps and falls along a cosine.
    weight_decay : float
        Taken off all weights in a step, in units of the learning rate.
    sharpness : float
        Of the softmax over distances.
    patches : int
        Most rectangles that are masked out of a pattern, where all of it is trained.
    patch_share : float
        Longest side of a rectangle as a share of the pattern's side.
    """

    steps: int = Field(default=100, ge=1)
    patterns_per_class: int = Field(default=8, ge=2)
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    sharpness: float = Field(default=10.0, gt=0)
    patches: int = Field(default=1, ge=0, le=100)
    patch_share: float = Field(default=0.5, gt=0, le=1)


class Adaptation(Settings):
    """One adaptation, from labels to a model.

    Parameters
    ----------
    name : str
        Of the model, on its card.
    data : tuple of LabelledRun
        Where the labelled shots are, all of one frame shape.
    start : str
        Model to start from, by name or file.
    label_codes : dict of code to label
        What the codes in psocake's files of labels mean; the paper's authors' by
        default.
    classes : tuple of str or None
        Labels that are told apart; by default all that are found but no-hit, and
        never unknown or needs-help.
    most_per_class : int or None
        Labels of each class that are used, drawn at random; all by default.
    folds : int
        Parts that the labels are dealt out to; each is classified by what was trained
        on the others, which says how much tuning is worth it.
    calibration, preprocess, area
        As in the configuration of a run; use the same.
    tuning : Tuning
    seed : int
    output : path
        Of the model, without an ending: ``NAME_1.safetensors`` is written, then
        ``NAME_2.safetensors``, each with its card and its supports.
    """

    name: str = "adapted"
    data: tuple[LabelledRun, ...] = Field(min_length=1)
    start: WeightsName = "default"
    label_codes: LabelCodes = Field(default_factory=lambda: dict(AUTHORS_CODES))
    classes: tuple[ClassName, ...] | None = Field(default=None, min_length=2)
    most_per_class: int | None = Field(default=None, ge=2)
    folds: int = Field(default=4, ge=2, le=20)
    calibration: Calibration = Calibration()
    preprocess: PreprocessOverrides = PreprocessOverrides()
    area: Area = Area()
    tuning: Tuning = Tuning()
    seed: int = Field(default=0, ge=0)
    output: FileName = Path("adapted")

    removed_keys: ClassVar[Mapping[str, str]] = {
        "held_out": "replaced by folds: all labels train, and each is classified by "
        "models that have not seen it; folds: 3 sets a third aside at a time"
    }

    @field_validator("classes")
    @classmethod
    def _no_abstentions(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if set(value or ()).intersection(ABSTENTIONS):
            raise ValueError(f"classes; {' and '.join(ABSTENTIONS)} are none")
        return value

    @field_validator("data", mode="before")
    @classmethod
    def _as_runs(cls, value: Any) -> Any:
        """Accept a single run, and runs by their file alone."""
        items = value if isinstance(value, (list, tuple)) else [value]
        return [
            {"file": item} if isinstance(item, (str, Path)) else item for item in items
        ]
