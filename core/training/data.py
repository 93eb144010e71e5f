"""Training patterns in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.errors import DataError
from specklenn.core.preprocess import scale_up, sum_bins

FLOAT16_MOST = 60_000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """Binned patterns of several samples and classes.

    Parameters
    ----------
    patterns : (N, h, w) float16, photons per binned pixel
    bad : (h, w) bool
        Bins without any good pixel.
    samples, labels : (N,) int64
        Numbers of the sample and of the class.
    classes : tuple of str
        Names of the classes.
    files : (N,) int64
        Number of the dataset that each pattern is from.
    sample_names, file_names : tuple of str
        By these numbers.
    """

    patterns: Tensor
    bad: Tensor
    samples: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    files: Tensor
    sample_names: tuple[str, ...]
    file_names: tuple[str, ...]

    def groups(self) -> list[list[Tensor]]:
        """Return the rows of every class (inner) of every sample (outer) that has all.

        Raises
        ------
        DataError
            If no sample has two patterns of every class.
        """
        found = []
        for sample in range(int(self.samples.max()) + 1):
            ours = self.samples == sample
            rows = [
                torch.nonzero(ours & (self.labels == label))[:, 0]
                for label in range(len(self.classes))
            ]
            if min(map(len, rows)) > 1:
                found.append(rows)
        if not found:
            raise DataError(
                f"{', '.join(self.file_names)}: no sample has two patterns of every "
                f"class ({', '.join(self.classes)})"
            )
        return found

    def failure_hint(self, rows: Tensor) -> str:
        """Say what a batch of some rows held and what may help if its loss is NaN."""
        samples = sorted({self.sample_names[n] for n in self.samples[rows].tolist()})
        files = sorted({self.file_names[n] for n in self.files[rows].tolist()})
        return (
            f"the batch held {', '.join(samples)} of {', '.join(files)}; nothing was "
            "saved after the last validation; a lower learning_rate or a warm_up may "
            "help"
        )


def load_training_data(
    paths: Sequence[Path], classes: Sequence[str], bin_pixels: int
) -> TrainingData:
    """Read labelled datasets for training.

    Parameters
    ----------
    paths : sequence of path
        One or more, of one frame shape; the mask is the first file's.
    classes : sequence of str
        Patterns of other classes are left out.
    bin_pixels : int
        Pixels summed per side.

    Raises
    ------
    DataError
        If labels, names or a class are missing, or the files do not fit together.
    """
    patterns, labels, names, seen = [], [], [], []
    bad: npt.NDArray[np.bool_] | None = None
    for path in paths:
        with LabelledDataset(path) as dataset:
            found = dataset.need_labels("training")
            sample = dataset.need_names("training")
            chosen = np.flatnonzero(np.isin(found, classes))
            binned, where = bin_patterns(
                dataset.frames(chosen), dataset.one_mask("training"), bin_pixels
            )
        if bad is not None and where.shape != bad.shape:
            raise DataError(
                f"{path}: binned patterns of shape {where.shape}, "
                f"{bad.shape} in {paths[0]}"
            )
        bad = where if bad is None else bad
        patterns.append(binned)
        labels.append(found[chosen])
        names.append(sample[chosen])
        seen.append(found)
    assert bad is not None
    _check_classes(paths, classes, np.concatenate(seen))
    order = {name: number for number, name in enumerate(classes)}
    sample_names, samples = np.unique(np.concatenate(names), return_inverse=True)
    return TrainingData(
        patterns=torch.from_numpy(np.concatenate(patterns)),
        bad=torch.from_numpy(bad),
        samples=torch.from_numpy(samples.astype(np.int64)),
        labels=torch.tensor([order[str(label)] for label in np.concatenate(labels)]),
        classes=tuple(classes),
        files=torch.repeat_interleave(
            torch.arange(len(paths)), torch.tensor([len(part) for part in patterns])
        ),
        sample_names=tuple(sample_names.tolist()),
        file_names=tuple(path.name for path in paths),
    )


def bin_patterns(
    patterns: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None, bin_pixels: int
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.bool_]]:
    """Bin whole patterns as `specklenn.core.preprocess` does crops.

    Parameters
    ----------
    patterns : (N, H, W) array, photons per pixel
    mask : (H, W) bool or None
        True where bad.
    bin_pixels : int
        Rows and columns that do not fill a bin are cut off evenly.

    Returns
    -------
    binned : (N, h, w) float16
        A bin with some bad pixels is scaled up to a full one.
    bad : (h, w) bool
        Bins without any good pixel.
    """
    rows, columns = (_middle(length, bin_pixels) for length in patterns.shape[1:])
    good = np.ones(patterns.shape[1:], bool) if mask is None else ~mask
    good = good[rows, columns]
    # Whole numbers, so that a scaled bin is rounded once only, to half precision.
    counts = sum_bins(good.astype(np.float32), bin_pixels).astype(np.int64)
    binned = np.empty((len(patterns), *counts.shape), np.float16)
    for number, pattern in enumerate(patterns):  # one at a time, to save memory
        kept = np.where(good, pattern[rows, columns], 0).astype(np.float32)
        values = scale_up(sum_bins(kept, bin_pixels), counts, bin_pixels)
        binned[number] = np.clip(values, -FLOAT16_MOST, FLOAT16_MOST)
    return binned, counts == 0


def draw_rows(
    group: Sequence[Tensor], patterns: int, generator: torch.Generator
) -> Tensor:
    """Draw as many patterns of every class of one sample.

    Parameters
    ----------
    group : rows by class
        See `TrainingData.groups`.
    patterns : int
        Per class; repeated where the sample has fewer.
    generator : torch.Generator

    Returns
    -------
    (classes * patterns,) int64
        Row numbers.
    """
    return torch.cat(
        [
            rows[torch.randperm(len(rows), generator=generator)[:patterns]]
            if len(rows) >= patterns
            else rows[torch.randint(len(rows), (patterns,), generator=generator)]
            for rows in group
        ]
    )


def _check_classes(
    paths: Sequence[Path], classes: Sequence[str], labels: npt.NDArray[np.str_]
) -> None:
    there = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    missing = [name for name in classes if name not in there]
    if missing:
        counts = ", ".join(f"{name} ({count})" for name, count in there.items())
        raise DataError(
            f"{', '.join(map(str, paths))}: no pattern of {', '.join(missing)}, which "
            f"training.classes asks for; there are {counts or 'no labels'}"
        )


def _middle(length: int, bin_pixels: int) -> slice:
    """Return as many whole bins as fit into a side, in its middle."""
    kept = length // bin_pixels * bin_pixels
    first = (length - kept) // 2
    return slice(first, first + kept)
