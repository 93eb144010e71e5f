"""Support sets: the few labelled patterns per class that define a run's classes.

A support set is a YAML file (or the same keys inside the run's config) that
points into data files, or a saved support file, a labelled dataset::

    version: 2
    classes:
      single-hit:
        - {file: run0094.cxi, events: [12, 31, 77, 140, 212]}
      multi-hit:
        - {file: run0094.cxi, dataset: /entry_1/data_1/data, events: [8, 9, 54]}
        - {file: run0095.cxi, events: [3, 5]}

Files are relative to the YAML file. Every problem is found and reported at
once; the version and a hash of the content are stored with every result.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, StringConstraints

from specklenn.core.data import labelled_dataset
from specklenn.core.data.frames import as_picture
from specklenn.core.data.labelled_dataset import DatasetNames, LabelledDataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.labels import ABSTENTIONS
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, read_yaml, validate
from specklenn.core.settings_paths import FileName

ClassName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_ +.-]*$", max_length=32)
]


class SupportShots(Settings):
    """Some shots of one file.

    Parameters
    ----------
    file : path
        HDF5 or CXI file.
    dataset : str
        Dataset of frames in it.
    events : list of int
        Shot indices.
    """

    file: FileName
    dataset: str = labelled_dataset.DATA
    events: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)


class SupportFile(Settings):
    """A support set as YAML.

    Parameters
    ----------
    version : int
        Counted up by whoever changes the set.
    classes : dict of class name to list of SupportShots
    """

    version: int = Field(default=1, ge=0, lt=2**32)
    classes: dict[ClassName, list[SupportShots]] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class SupportSet:
    """Supports in memory.

    Parameters
    ----------
    frames : (S, H, W) array
        Frames as the detector gives them.
    labels : (S,) str
    classes : tuple of str
        Classes in the order of the file.
    origins : tuple of str
        Where each support is from, for messages.
    version : int
    mask : (H, W) bool or None
        Mask of a saved support file.
    bad : (S, H, W) bool or None
        Pixels that are bad in one support alone; None where no file has masks of
        every shot.
    in_photons : bool
        Whether a file says that its frames are calibrated.
    """

    frames: npt.NDArray[Any]
    labels: npt.NDArray[np.str_]
    classes: tuple[str, ...]
    origins: tuple[str, ...]
    version: int = 1
    mask: npt.NDArray[np.bool_] | None = None
    bad: npt.NDArray[np.bool_] | None = None
    in_photons: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])

    def with_mask(self, mask: npt.NDArray[np.bool_]) -> SupportSet:
        """Return the supports with these pixels masked too.

        Parameters
        ----------
        mask : (H, W) or (modules, h, W) bool
            True where bad.

        Raises
        ------
        ConfigError
            If it has another shape than the supports.
        """
        found = as_picture(mask) if mask.ndim == 3 else mask
        if found.shape != self.shape:
            raise ConfigError(
                f"mask of shape {mask.shape} found, {self.shape} expected like the "
                "supports, or modules that stack to it"
            )
        return replace(self, mask=found if self.mask is None else found | self.mask)

    @property
    def content_hash(self) -> str:
        """SHA-256 of frames and labels, first 12 digits."""
        digest = hashlib.sha256(np.ascontiguousarray(self.frames).tobytes())
        digest.update("\n".join(self.labels).encode())
        return digest.hexdigest()[:12]


def load_supports(path: str | os.PathLike[str]) -> SupportSet:
    """Load a support set from YAML or from a saved support file.

    Raises
    ------
    ConfigError
        With every problem found: file, line, key, found value, what is allowed.
    """
    source = Path(path)
    if source.suffix.lower() in (".yaml", ".yml"):
        document = read_yaml(source)
        settings = validate(SupportFile, document)
        return from_settings(settings, document, ("classes",))
    return _from_dataset(source)


def from_settings(
    settings: SupportFile,
    document: Document,
    location: tuple[str | int, ...],
) -> SupportSet:
    """Load the shots that checked settings name.

    Parameters
    ----------
    settings : SupportFile
    document : Document
        Where the settings are from, for messages.
    location : tuple
        Keys that lead to the classes in the document.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    problems: list[str] = []
    frames: list[npt.NDArray[Any]] = []
    masks: list[npt.NDArray[np.bool_] | None] = []
    in_photons = False
    labels: list[str] = []
    origins: list[str] = []
    for name, groups in settings.classes.items():
        if not groups:
            key = (*location, name)
            problems.append(
                f"{document.where(key)}: class {name!r} has no support; at least "
                "one (file, events) expected"
            )
        if name in ABSTENTIONS:
            problems.append(
                f"{document.where((*location, name))}: class {name!r} found, which is "
                "what somebody says who does not know the class"
            )
        for number, group in enumerate(groups):
            key = (*location, name, number)
            try:
                found, bad, calibrated = _read_shots(group)
            except DataError as error:
                problems.append(f"{document.where(key)}: {error}")
                continue
            frames.extend(found)
            masks.extend([None] * len(found) if bad is None else bad)
            in_photons |= calibrated
            labels.extend([name] * len(found))
            origins.extend(f"{group.file.name} event {event}" for event in group.events)
    problems.extend(_shape_problems(frames, origins, document.source))
    if problems:
        raise ConfigError(*problems)
    return SupportSet(
        frames=np.stack(frames),
        labels=np.array(labels),
        classes=tuple(settings.classes),
        origins=tuple(origins),
        version=settings.version,
        bad=_stacked_masks(masks, frames[0].shape),
        in_photons=in_photons,
    )


def _read_shots(
    group: SupportShots,
) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_] | None, bool]:
    """Return frames (H, W), masks of theirs alone, and whether they are calibrated."""
    usual = group.dataset == labelled_dataset.DATA  # the usual mask is of these frames
    names = DatasetNames(
        data=group.dataset,
        mask=labelled_dataset.MASK if usual else None,
        labels=None,
        names=None,
        timestamps=None,
    )
    with LabelledDataset(group.file, names) as file:
        frames, bad = file.frames(group.events), file.bad_in(group.events)
        return list(frames), bad, file.in_photons


def _stacked_masks(
    masks: list[npt.NDArray[np.bool_] | None], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_] | None:
    """Return masks (S, H, W) of supports, good for those without; None without any."""
    if all(mask is None for mask in masks):
        return None
    good = np.zeros(shape, bool)
    return np.stack([good if mask is None else mask for mask in masks])


def _shape_problems(
    frames: list[npt.NDArray[Any]], origins: list[str], source: str
) -> list[str]:
    return [
        f"{source}: {origin} has shape {frame.shape}, {origins[0]} {frames[0].shape}; "
        "all supports must have one shape"
        for frame, origin in zip(frames, origins, strict=True)
        if frame.shape != frames[0].shape
    ]


def _from_dataset(path: Path) -> SupportSet:
    try:
        with LabelledDataset(path) as file:
            labels = file.need_labels("a support file")
            events = np.flatnonzero(~np.isin(labels, ("", *ABSTENTIONS))).tolist()
            if not events:
                raise DataError(f"{path}: no shot with the label of a class")
            return SupportSet(
                frames=file.frames(events),
                labels=labels[events],
                classes=tuple(dict.fromkeys(labels[events].tolist())),
                origins=tuple(f"{path.name} event {event}" for event in events),
                mask=file.mask,
                bad=file.bad_in(),
                in_photons=file.in_photons,
            )
    except DataError as error:
        raise ConfigError(f"support.file: {error}") from error
