"""The labelled shots of an experiment: listed, checked as a whole, then read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from specklenn.core.config.run_config import Calibration
from specklenn.core.data import labelled_dataset
from specklenn.core.data.bad_pixels import look_for_bad
from specklenn.core.data.detector_area import area_mask
from specklenn.core.data.frames import Frames
from specklenn.core.data.labelled_dataset import (
    DatasetNames,
    LabelledDataset,
    check_calibration,
)
from specklenn.core.data.masks import Mask, read_mask_file
from specklenn.core.errors import DataError
from specklenn.core.finetuning.settings import Adaptation, LabelledRun
from specklenn.core.labelling.data_identity import LabelledData, read_alone
from specklenn.core.labelling.label_file import read_labels
from specklenn.core.labels import ABSTENTIONS, NO_HIT, SINGLE_HIT

log = logging.getLogger(__name__)

FEWEST = 2
"""Fewest labels of a class: one support, one query."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledShots:
    """Shots and what somebody says they are.

    Parameters
    ----------
    frames : (N, H, W) array
        As the detector gives them.
    codes : (N,) int64
        Position of the label in the classes.
    classes : tuple of str
        The single-hit is the first, if it is one of them.
    origins : tuple of str
        Where each shot is from.
    mask : (H, W) bool
        True where a pixel is bad or not used.
    bad : (N, H, W) bool or None
        Pixels that are bad in one shot alone; None where no run has masks of every
        shot.
    notes : tuple of str
        What a user should know of the files of labels.
    """

    frames: Frames
    codes: Indices
    classes: tuple[str, ...]
    origins: tuple[str, ...]
    mask: Mask
    bad: Mask | None = None
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return how many shots each class has."""
        number = np.bincount(self.codes, minlength=len(self.classes))
        return dict(zip(self.classes, number.tolist(), strict=True))

    def only(self, rows: Indices) -> LabelledShots:
        """Return some of the shots, by (n,) int64 rows."""
        return replace(
            self,
            frames=self.frames[rows],
            bad=None if self.bad is None else self.bad[rows],
            codes=self.codes[rows],
            origins=tuple(self.origins[row] for row in rows),
        )


def load_labelled_shots(adaptation: Adaptation) -> LabelledShots:
    """Read the shots that an adaptation names.

    Raises
    ------
    DataError
        With every problem found: events that do not exist, shots with two labels,
        classes with a single label, masks and frames of another shape.
    ConfigError
        If there is no such area.
    """
    problems: list[str] = []
    calibration = adaptation.calibration
    calibrated = calibration.changes_nothing
    codes = adaptation.label_codes
    runs = [_attempt(problems, run, calibrated, codes) for run in adaptation.data]
    found = [run for run in runs if run is not None]
    labels = _labels(found, problems)
    classes = _classes(adaptation.classes, labels)
    if not problems:
        problems.extend(_class_problems(classes, labels))
    problems.extend(_shape_problems(found))
    shape = found[0].shape if found else None
    extra = _extra_mask(problems, calibration, shape)
    if problems:
        raise DataError("\n".join(problems))
    random = np.random.default_rng(adaptation.seed)
    chosen = _choose(labels, classes, adaptation.most_per_class, random)
    area, centre = adaptation.area, adaptation.preprocess.centre
    bad = area_mask(area, found[0].shape, found[0].modules, centre)
    masks = [mask for mask in (extra, *(run.mask for run in found)) if mask is not None]
    if area.find_dead:
        bad = _without_bad_pixels(
            found, np.logical_or.reduce([bad, *masks]), adaptation
        )
    frames, own = _read([shot for shot, _ in chosen])
    return LabelledShots(
        frames=frames,
        bad=own,
        codes=np.array([classes.index(label) for _, label in chosen]),
        classes=classes,
        origins=tuple(f"{shot.run.path.name} event {shot.event}" for shot, _ in chosen),
        mask=np.logical_or.reduce([bad, *masks]),
        notes=tuple(run.note for run in found if run.note),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """A run with labels, its frames not read yet."""

    path: Path
    dataset: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    modules: int
    mask: Mask | None
    labels: dict[int, str]
    note: str
    source: str


class _Shot(NamedTuple):
    """A shot of a run."""

    run: _Run
    event: int


_Labels = list[tuple[_Shot, str]]


def _attempt(
    problems: list[str],
    run: LabelledRun,
    calibrated: bool,
    codes: Mapping[str, str],
) -> _Run | None:
    """Open a run; remember what is wrong with it."""
    names = DatasetNames(
        data=run.dataset,
        labels=None if run.labels is not None else labelled_dataset.LABEL,
        names=None,
        timestamps=None,
    )
    try:
        with LabelledDataset(run.file, names) as file:
            check_calibration(str(file), file.in_photons, calibrated)
            labels, note = _labels_of(run, file, codes)
            return _Run(
                path=run.file,
                dataset=run.dataset,
                shape=file.shape,
                dtype=file.dtype,
                modules=file.modules,
                mask=file.mask,
                labels=labels,
                note=note,
                source=str(run.labels or run.file),
            )
    except DataError as error:
        problems.extend(str(error).splitlines())
        return None


def _labels_of(
    run: LabelledRun, file: LabelledDataset, codes: Mapping[str, str]
) -> tuple[dict[int, str], str]:
    """Return the labels of a run by event, and what to say of their file."""
    if run.labels is not None:
        frame_of = read_alone(run.file, run.dataset)
        data = LabelledData(path=run.file, shots=len(file), frame_of=frame_of)
        read = read_labels(run.labels, data, codes)
        return read.labels, read.note
    found = file.need_labels("without a file of labels, adapt")
    return {event: label for event, label in enumerate(found.tolist()) if label}, ""


def _labels(runs: Sequence[_Run], problems: list[str]) -> _Labels:
    """List every labelled shot once; a shot with two labels is a problem."""
    seen: dict[tuple[Path, str, int], tuple[str, str]] = {}
    listed: _Labels = []
    for run in runs:
        for event, label in sorted(run.labels.items()):
            key = (run.path.resolve(), run.dataset, event)
            before = seen.setdefault(key, (label, run.source))
            if before[0] != label:
                problems.append(
                    f"{run.path}: event {event} is {label} in {run.source} and "
                    f"{before[0]} in {before[1]}"
                )
            elif before[1] is run.source:
                listed.append((_Shot(run=run, event=event), label))
    return listed


def _classes(asked: Sequence[str] | None, labels: _Labels) -> tuple[str, ...]:
    """Return the classes in their order; single-hits first where nobody asked."""
    if asked is not None:
        return tuple(asked)
    found = {label for _, label in labels} - {NO_HIT, *ABSTENTIONS}
    return tuple(sorted(found, key=lambda name: (name != SINGLE_HIT, name)))


def _class_problems(classes: Sequence[str], labels: _Labels) -> list[str]:
    named = [label for _, label in labels]
    if len(classes) < 2:
        found = ", ".join(classes) or "no class"
        return [f"data: labels of {found} found, two classes or more expected"]
    return [
        f"data: class {name} has {named.count(name)} label, {FEWEST} or more expected"
        for name in classes
        if named.count(name) < FEWEST
    ]


def _shape_problems(runs: Sequence[_Run]) -> list[str]:
    """Compare the frames of all runs with those of the first."""
    return [
        f"{run.path}: shape {run.shape}, {runs[0].path} has frames of shape "
        f"{runs[0].shape}"
        for run in runs
        if run.shape != runs[0].shape
    ]


def _extra_mask(
    problems: list[str], calibration: Calibration, shape: tuple[int, int] | None
) -> Mask | None:
    """Read the mask file, if there is one; remember what is wrong with it."""
    if calibration.mask_file is None:
        return None
    try:
        return read_mask_file(
            calibration.mask_file,
            calibration.mask_dataset,
            shape,
            calibration.mask_bits,
        )
    except DataError as error:
        problems.append(str(error))
        return None


def _choose(
    labels: _Labels,
    classes: Sequence[str],
    most: int | None,
    random: np.random.Generator,
) -> _Labels:
    """Draw so many labels of every class, or take all."""
    chosen: _Labels = []
    for name in classes:
        own = [item for item in labels if item[1] == name]
        rows = random.permutation(len(own))[:most]
        chosen.extend(own[row] for row in sorted(rows.tolist()))
    return chosen


def _without_bad_pixels(
    runs: Sequence[_Run], bad: Mask, adaptation: Adaptation
) -> Mask:
    """Return bad pixels (H, W) with those that tell nothing in any run."""
    calibration = adaptation.calibration

    def calibrate(frames: Frames) -> npt.NDArray[np.float32]:
        photons = frames.astype(np.float32) - np.float32(calibration.offset_adu)
        return photons / np.float32(calibration.adu_per_photon)

    for run in runs:
        names = DatasetNames(data=run.dataset, labels=None, names=None, timestamps=None)
        with LabelledDataset(run.path, names) as file:
            found = look_for_bad(file, bad, calibrate)
        for sentence in found.words:
            log.warning("%s: %s", run.path, sentence)
        bad = bad | found.mask
    return bad


def _read(shots: Sequence[_Shot]) -> tuple[Frames, Mask | None]:
    """Read frames (N, H, W) and masks of theirs alone, each file opened once."""
    runs = list(dict.fromkeys(shot.run for shot in shots))
    dtype = np.result_type(*(run.dtype for run in runs))
    frames = np.empty((len(shots), *shots[0].run.shape), dtype)
    masks: dict[int, Mask] = {}
    for run in runs:
        rows = [row for row, shot in enumerate(shots) if shot.run is run]
        events = [shots[row].event for row in rows]
        names = DatasetNames(data=run.dataset, labels=None, names=None, timestamps=None)
        with LabelledDataset(run.path, names) as file:
            frames[rows] = file.frames(events)
            own = file.bad_in(events)
        if own is not None:
            masks.update(zip(rows, own, strict=True))
    if not masks:
        return frames, None
    good = np.zeros(frames.shape[1:], bool)
    return frames, np.stack([masks.get(row, good) for row in range(len(shots))])
