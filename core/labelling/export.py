"""Labels as what other commands read: a support set, a labelled dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core import settings_yaml
from specklenn.core.data.atomic import replacing
from specklenn.core.data.dataset_writer import DatasetWriter, writing
from specklenn.core.data.shots import IndexedSource
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.flags import is_skipped
from specklenn.core.labels import ABSTENTIONS, NO_HIT
from specklenn.core.preprocess import Preprocessor
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.support import SupportFile, SupportShots

Locate = Callable[[int], tuple[Path, int]]
"""Gives the file of a shot, and its number in that file."""


def by_class(
    labels: Mapping[int, str], most: int | None = None
) -> dict[str, list[int]]:
    """Return the shots of each class, or the first so many of them.

    No-hits are the hit finder's, and shots of which somebody says that the class is
    unknown or needs help are of no class: they are left out.

    Parameters
    ----------
    labels : dict of shot to class name
        Labels in the order of labelling.
    most : int, optional
        Shots per class.
    """
    shots: dict[str, list[int]] = {}
    for shot, label in labels.items():
        if label not in (NO_HIT, *ABSTENTIONS):
            shots.setdefault(label, []).append(shot)
    return {name: own[:most] for name, own in shots.items()}


def write_supports(
    path: Path, shots: Mapping[str, list[int]], locate: Locate, dataset: str
) -> SupportFile:
    """Write a support set that points to labelled shots.

    Its version is one above that of the file that it replaces.

    Parameters
    ----------
    path : Path
        YAML file.
    shots : dict of class name to shots
    locate : function
    dataset : str
        Dataset of the frames in the files.

    Raises
    ------
    DataError
        If fewer than two classes have shots, or the file cannot be written.
    """
    if len(shots) < 2:
        raise DataError(
            f"{path}: not written: labels of {len(shots)} classes of hits found, at "
            "least 2 expected"
        )
    settings = SupportFile(
        version=_version_of(path) + 1,
        classes={
            name: _groups(own, locate, dataset, path.absolute().parent)
            for name, own in shots.items()
        },
    )
    written = settings.model_dump(mode="json", exclude_defaults=True)
    values = {"version": settings.version, **written}
    text = settings_yaml.dump(values, default_flow_style=None)
    with replacing(path) as (part,):
        part.write_text(text, encoding="utf-8")
    return settings


def write_training(
    path: Path,
    shots: Mapping[str, list[int]],
    source: IndexedSource,
    preprocessor: Preprocessor,
    round_photons: bool,
) -> list[int]:
    """Write labelled shots as a labelled dataset; returns those that were left out.

    Shots that cannot be classified (unreadable, NaN, empty) are left out.

    Parameters
    ----------
    path : Path
        HDF5 file.
    shots : dict of class name to shots
    source : IndexedSource
    preprocessor : Preprocessor
        Whose mask and calibration are used; frames are not cut.
    round_photons : bool
        Whether the photons are counts that uint16 holds.

    Raises
    ------
    DataError
        If there is no shot that can be classified, or the file cannot be written.
    """
    left_out: list[int] = []
    labels = {shot: name for name, own in shots.items() for shot in own}
    if not labels:
        raise DataError(f"{path}: not written: no labels of hits found")
    dtype: npt.DTypeLike = np.uint16 if round_photons else np.float32
    with replacing(path) as (part,), writing(path):
        mask = preprocessor.mask if preprocessor.mask.any() else None
        with DatasetWriter(
            part, source.shape, dtype, mask, names=False, in_photons=True
        ) as writer:
            for shot in sorted(labels):
                read = source.read(shot, shot + 1)
                if is_skipped(read.flags | preprocessor.crop(read.frames).flags).any():
                    left_out.append(shot)
                    continue
                photons = preprocessor.calibrate(read.frames).astype(dtype)
                writer.append(photons, [labels[shot]], None, read.timestamp_ns)
        if len(left_out) == len(labels):
            raise DataError(f"{path}: not written: no labelled shot can be classified")
    return left_out


def _version_of(path: Path) -> int:
    """Return the version of a support set, 0 where there is none to be read."""
    try:
        return validate(SupportFile, read_yaml(path)).version
    except ConfigError:
        return 0


def _groups(
    shots: list[int], locate: Locate, dataset: str, folder: Path
) -> list[SupportShots]:
    """Group shots by file, in the order of the shots."""
    events: dict[Path, list[int]] = {}
    for shot in shots:
        path, event = locate(shot)
        events.setdefault(path, []).append(event)
    return [
        SupportShots(
            file=Path(os.path.relpath(path.absolute(), folder)),
            dataset=dataset,
            events=found,
        )
        for path, found in events.items()
    ]
