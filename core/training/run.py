"""What ``specklenn train`` reads: which data, how to train, where to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core import checkpoint
from specklenn.core.checkpoint import Card
from specklenn.core.errors import DataError
from specklenn.core.files import read_dataset
from specklenn.core.preprocess import prepare
from specklenn.core.settings import Settings
from specklenn.core.training.settings import Training
from specklenn.core.training.trainer import Trainer

Validation = tuple[npt.NDArray[np.float32], npt.NDArray[np.str_], npt.NDArray[np.str_]]


class TrainingRun(Settings):
    """One training, from files to weights.

    Parameters
    ----------
    name : str
        Of the model.
    data : list of path
        Labelled datasets to train on.
    validation : path or None
        Labelled dataset of other samples, with noise; the weights with the best
        five-shot accuracy on it are kept. The last weights without it.
    validate_every : int
        Steps between validations.
    validation_patterns : int
        Patterns per class and sample that are used, to save time.
    output : path
        Weights file; the card and the state, with the history, go beside it.
    note, commit : str
        For the card: what the data are, and the commit of the code.
    training : Training
    """

    name: str = "model"
    data: tuple[Path, ...] = Field(min_length=1)
    validation: Path | None = None
    validate_every: int = Field(default=500, ge=1)
    validation_patterns: int = Field(default=40, ge=7)
    output: Path
    note: str = ""
    commit: str = ""
    training: Training = Training()

    def located(self, folder: Path) -> TrainingRun:
        """Return the same run with relative paths taken from a folder."""
        return self.model_copy(
            update={
                "data": tuple(folder / path for path in self.data),
                "validation": self.validation and folder / self.validation,
                "output": folder / self.output,
            }
        )

    @property
    def state_file(self) -> Path:
        """Where the state of the training is kept, for resuming."""
        return self.output.with_suffix(".state.safetensors")

    def load_validation(self) -> Validation | None:
        """Read and prepare the validation patterns.

        Raises
        ------
        DataError
            If the file has no labels or names.
        """
        if self.validation is None:
            return None
        dataset = read_dataset(self.validation)
        if dataset.labels is None or dataset.names is None:
            raise DataError(f"{self.validation}: validation needs labels and names")
        kept = first_of_each(dataset.labels, dataset.names, self.validation_patterns)
        prepared = prepare(
            dataset.patterns[kept], dataset.mask, self.training.preprocess
        )
        return prepared.inputs, dataset.labels[kept], dataset.names[kept]

    def save_weights(self, trainer: Trainer, step: int, accuracy: float | None) -> None:
        """Write the weights as they are now, and their card."""
        scores: dict[str, Any] = {"step": step}
        if accuracy is not None:
            scores["validation"] = {"five_shot_accuracy": accuracy}
        card = Card(
            name=self.name,
            data=self.note,
            seed=self.training.seed,
            commit=self.commit,
            scores=scores,
        )
        self.output.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(self.output, trainer.trained(), self.training.preprocess, card)


def first_of_each(
    labels: npt.NDArray[np.str_], names: npt.NDArray[np.str_], most: int
) -> npt.NDArray[np.int64]:
    """Return the first rows of every class of every sample, at most so many each."""
    _, group = np.unique(
        np.char.add(np.char.add(labels, "\n"), names), return_inverse=True
    )
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    place = np.arange(len(order)) - starts
    return np.sort(order[place < most])
