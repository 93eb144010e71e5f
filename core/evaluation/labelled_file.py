"""A labelled dataset that is classified: read in batches and embedded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.bad_pixels import look_for_bad
from specklenn.core.data.labelled_dataset import (
    DatasetNames,
    LabelledDataset,
    frames_alone,
)
from specklenn.core.data.masks import Mask
from specklenn.core.data.side_datasets import Texts
from specklenn.core.distances import Embeddings
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.few_shot import Indices
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.heads.head import FeatureLayout, Features
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features, feature_layout
from specklenn.core.preprocess import PreparedPatterns, Preprocessing, prepare

BATCH_BYTES = 64_000_000
MOST_IN_BATCH = 500

Patterns = npt.NDArray[Any]

Expose = Callable[[Patterns, Indices], Patterns]
"""Makes the shots that are classified of patterns (B, H, W) and their rows (B,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """The patterns of a file that can be classified.

    Parameters
    ----------
    features : (N, F) float32
        See `specklenn.core.network.features`; the embedding is their beginning.
    layout : FeatureLayout
    labels, names : (N,) str
    rows : (N,) int64
        Where they are in the file.
    """

    features: Features
    layout: FeatureLayout
    labels: Texts
    names: Texts
    rows: Indices

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings of the patterns, (N, D) float32, unit length."""
        return self.layout.embeddings(self.features)


def as_read(patterns: Patterns, rows: Indices) -> Patterns:
    """Return patterns as they are in the file."""
    return patterns


class LabelledFile:
    """A labelled dataset whose patterns are read when they are needed.

    Without sample names the whole file is one sample, called as the file is.

    Attributes
    ----------
    shape : (H, W)
        Of a pattern, its modules stacked.
    modules : int
    labels, names : (N,) str
        Of the patterns and of their samples.
    named : bool
        Whether the file has sample names.
    mask : (H, W) bool or None
        True where a pixel is bad.

    Raises
    ------
    DataError
        If it cannot be read, has no labels or no patterns.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with LabelledDataset(path) as opened:
            self.shape = opened.shape
            self.modules = opened.modules
            self.labels = opened.need_labels("evaluation")
            self.named = opened.names is not None
            whole = np.full(len(opened), self.path.stem)
            self.names = whole if opened.names is None else opened.names
            self.mask = opened.mask
            self._of_every_shot = opened.masks_every_shot
            self._shot_bytes = opened.dtype.itemsize * self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bad(self) -> Mask:
        """The mask, (H, W) bool; all False where the file has none."""
        return np.zeros(self.shape, bool) if self.mask is None else self.mask

    def leave_out(self, bad: Mask) -> None:
        """Add pixels (H, W) to the mask, True where bad."""
        self.mask = self.bad | bad

    def leave_out_bad_pixels(self) -> tuple[str, ...]:
        """Add pixels that tell nothing to the mask; returns a sentence, if there are.

        See `specklenn.core.data.bad_pixels`.
        """
        names = DatasetNames(labels=None, names=None, timestamps=None)
        with LabelledDataset(self.path, names) as opened:
            found = look_for_bad(opened, self.bad)
        if found.words:
            self.leave_out(found.mask)
        return found.words

    def _bad_in(self, rows: Indices) -> Mask | None:
        """Return the masks of some rows alone, (B, H, W) bool, if the file has such."""
        if not self._of_every_shot:
            return None
        names = DatasetNames(labels=None, names=None, timestamps=None)
        with LabelledDataset(self.path, names) as opened:
            return opened.bad_in(rows)

    def batches(self) -> list[Indices]:
        """Return the rows in portions that fit into memory."""
        size = max(1, min(MOST_IN_BATCH, BATCH_BYTES // self._shot_bytes))
        return [
            np.arange(first, min(first + size, len(self)))
            for first in range(0, len(self), size)
        ]

    def read(self, rows: Indices) -> Patterns:
        """Return the patterns of some rows, each once, (B, H, W)."""
        with LabelledDataset(self.path, frames_alone()) as opened:
            return opened.frames(rows)

    def prepare(
        self, settings: Preprocessing, patterns: Patterns, rows: Indices
    ) -> PreparedPatterns:
        """Return patterns of these rows of this file as a network sees them.

        Raises
        ------
        ConfigError
            If the crop does not fit into them.
        """
        try:
            return prepare(patterns, self.mask, settings, self._bad_in(rows))
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from error


def embed_file(
    file: LabelledFile,
    model: Checkpoint,
    exposures: Sequence[Expose] = (as_read,),
    watch: ProgressFn[Indices] = silent,
) -> list[Embedded]:
    """Embed the patterns of a file in one or several exposures; read only once.

    Parameters
    ----------
    file : LabelledFile
    model : Checkpoint
    exposures : sequence of functions
    watch : function
        For a progress bar.

    Returns
    -------
    list of Embedded
        One for each exposure.

    Raises
    ------
    DataError
        If no pattern can be classified.
    """
    parts: list[list[Embedded]] = [[] for _ in exposures]
    for rows in watch(file.batches()):
        patterns = file.read(rows)
        for found, expose in zip(parts, exposures, strict=True):
            found.append(_embed(file, model, expose(patterns, rows), rows))
    joined = [_join(found) for found in parts]
    if not all(len(each.rows) for each in joined):
        raise DataError(f"{file.path}: no pattern that can be judged")
    return joined


def read_pictures(
    file: LabelledFile, model: Checkpoint, rows: Indices, expose: Expose = as_read
) -> npt.NDArray[np.float32]:
    """Return some patterns as they were classified, (k, crop, crop) float32, photons.

    Parameters
    ----------
    file : LabelledFile
    model : Checkpoint
    rows : (k,) int64
        In any order, each once; the pictures come in the same one.
    expose : function
        As in `embed_file`.
    """
    patterns = expose(file.read(rows), rows)
    return file.prepare(model.preprocessing, patterns, rows).photons


def _embed(
    file: LabelledFile, model: Checkpoint, patterns: Patterns, rows: Indices
) -> Embedded:
    prepared = file.prepare(model.preprocessing, patterns, rows)
    usable = prepared.flags == 0
    kept = rows[usable]
    return Embedded(
        features=extract_features(model.encoder, prepared.inputs[usable]),
        layout=feature_layout(model.encoder),
        labels=file.labels[kept],
        names=file.names[kept],
        rows=kept,
    )


def _join(parts: Sequence[Embedded]) -> Embedded:
    return Embedded(
        features=np.concatenate([part.features for part in parts]),
        layout=parts[0].layout,
        labels=np.concatenate([part.labels for part in parts]),
        names=np.concatenate([part.names for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
    )
