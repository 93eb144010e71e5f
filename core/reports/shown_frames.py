"""Files of frames: hits of a run, labelled datasets, frames and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import (
    NUMBERS,
    dataset_names,
    find_datasets,
    get_dataset,
    open_file,
    read_values,
)
from specklenn.core.data.hits import INDEX, MODULES, SCORE
from specklenn.core.data.labelled_dataset import DATA, DatasetNames, LabelledDataset
from specklenn.core.errors import DataError
from specklenn.core.reports.contact_sheet import PHOTONS
from specklenn.core.reports.shown_file import NO_LABEL, ShownFile, shots_in_words
from specklenn.core.reports.shown_pictures import FramePictures, layout
from specklenn.core.results import VERSIONS, read_versions
from specklenn.core.simulation.simulated_file import PIXELS

VALUES = "value in the file per pixel"
"""Unit of frames of which nobody says that they are photons."""

SMALLEST_SIDE = 8
"""Of a frame, where frames are looked for in a file that names them otherwise."""


def show_frames(path: Path, dataset: str | None, stack: ExitStack) -> ShownFile:
    """Show a file of frames; it is closed with the stack.

    Raises
    ------
    DataError
        See `open_shown`.
    """
    with open_file(path) as file:
        name = dataset or find_frames(file)
        versions, attributes = read_versions(file, VERSIONS), dict(file.attrs)
        frames = get_dataset(file, name)
        shape, attributes_of_frames = frames.shape, dict(frames.attrs)
        pixels = pixel_positions(file)
    opened = stack.enter_context(LabelledDataset(path, DatasetNames(data=name)))
    index, scores = opened.column(INDEX), opened.column(SCORE)
    number = min(len(each) for each in (opened, index, scores) if each is not None)
    shots = np.arange(number) if index is None else index[:number]
    photons = opened.in_photons or "specklenn" in str(attributes.get("creator", ""))
    modules = int(attributes_of_frames.get(MODULES, opened.modules))
    return ShownFile(
        path=path,
        kind=_kind(opened, index, attributes),
        facts={
            "frames": f"{' x '.join(map(str, shape))} {opened.dtype} at {name}, "
            f"{PHOTONS if photons else 'in units that it does not tell'}",
            "mask": opened.mask_words or "none",
            "shots": shots_in_words(shots, opened.timestamps_ns),
        },
        shots=shots.astype(np.int64),
        classes=_classes(opened.labels, number),
        scores=_or_nan(scores, number),
        unit=PHOTONS if photons else VALUES,
        drawable=np.ones(number, bool),
        read=FramePictures(opened, layout(opened.shape, modules, pixels)),
        versions=versions,
        notes=opened.notes,
    )


def pixel_positions(file: h5py.File) -> npt.NDArray[Any] | None:
    """Return where the pixels of an open file are, (..., 3) metres, if it says so."""
    return None if file.get(PIXELS) is None else read_values(get_dataset(file, PIXELS))


def find_frames(file: h5py.File) -> str:
    """Return the dataset that holds the frames: the usual one, else the largest stack.

    Raises
    ------
    DataError
        If there is none.
    """
    if file.get(DATA) is not None:
        return DATA
    found = {
        name: item.size * (1 if item.ndim > 2 else 1e-9)  # a stack before a picture
        for name, item in find_datasets(file).items()
        if _may_be_frames(item)
    }
    if not found:
        known = ", ".join(dataset_names(file)) or "none"
        raise DataError(
            f"{file.filename}: no frames (N, H, W), (N, modules, H, W) or (H, W); "
            f"datasets found: {known}"
        )
    return max(found, key=lambda name: found[name])


def _may_be_frames(item: h5py.Dataset) -> bool:
    if item.shape is None or item.dtype.kind not in NUMBERS or item.ndim > 4:
        return False
    return bool(item.ndim >= 2 and min(item.shape[-2:]) >= SMALLEST_SIDE)


def _kind(
    opened: LabelledDataset,
    index: npt.NDArray[Any] | None,
    attributes: Mapping[str, Any],
) -> str:
    if index is not None:
        run = attributes.get("run")
        of = "" if run is None else f" {run} of {attributes.get('experiment')}"
        return f"frames kept of run{of}" if of else "frames kept of a run"
    if opened.labels is not None:
        return "labelled dataset"
    return "frames without labels"


def _classes(labels: npt.NDArray[np.str_] | None, number: int) -> npt.NDArray[np.str_]:
    if labels is None:
        return np.full(number, "")
    return np.where(labels[:number] == "", NO_LABEL, labels[:number])


def _or_nan(scores: npt.NDArray[Any] | None, number: int) -> npt.NDArray[np.float32]:
    if scores is None:
        return np.full(number, np.nan, np.float32)
    return scores[:number].astype(np.float32)
