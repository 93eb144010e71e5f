"""The results of a run, with the frames that its configuration leads to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.config.loading import LoadedConfig, check_config
from specklenn.core.data.hdf5_file import open_file
from specklenn.core.data.hits import HITS, INDEX
from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.data.masks import Mask, read_mask_file
from specklenn.core.data.shots import DetectorRun, IndexedSource
from specklenn.core.errors import DataError, SpecklennError
from specklenn.core.flags import Flag
from specklenn.core.reports.contact_sheet import PHOTONS
from specklenn.core.reports.shown_file import (
    SKIPPED,
    Picture,
    ShownFile,
    shots_in_words,
)
from specklenn.core.reports.shown_frames import pixel_positions
from specklenn.core.reports.shown_pictures import FramePictures, layout, shrunk
from specklenn.core.results import ROWS, Results, open_results
from specklenn.core.settings_file import parse_yaml
from specklenn.core.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFrames:
    """Where the frames of a run can be had.

    Parameters
    ----------
    words : str
        Where they are, and what they are.
    there : (N,) bool
        Of which shots of the results.
    read : function of a position in the results
    """

    words: str
    there: npt.NDArray[np.bool_]
    read: Callable[[int], Picture]


def is_results(path: Path) -> bool:
    """Return whether a file holds the results of a run."""
    with open_file(path) as file:
        return file.get(ROWS) is not None and "classes" in file.attrs


def show_results(path: Path, stack: ExitStack) -> ShownFile:
    """Show the results of a run; what is opened is closed with the stack.

    Raises
    ------
    DataError
        If they cannot be read. Frames that cannot be are told in a note.
    """
    results = open_results(path)
    frames, notes = find_run_frames(results, stack)
    table = results.table
    classes = table["label"].astype(object)
    skipped = classes == ""
    classes[skipped] = [f"{SKIPPED}{why}" for why in table["reason"][skipped]]
    state = "closed" if results.closed else "open: the run goes on, or was killed"
    return ShownFile(
        path=results.path,
        kind=f"results of run {results.run} of {results.experiment}",
        facts={
            "shots": shots_in_words(table["shot"], results.rows["timestamp_ns"]),
            "file": state,
            "frames": frames.words,
        },
        shots=table["shot"],
        classes=classes.astype(np.str_),
        scores=table["score"],
        unit=PHOTONS,
        drawable=frames.there,
        read=frames.read,
        versions=_counted(results),
        notes=notes,
    )


def _counted(results: Results) -> Table:
    """Return the versions that classified shots, with how many each has."""
    places, shots = np.unique(results.version_of_rows, return_counts=True)
    known = places >= 0
    used = results.versions[places[known]]
    return Table({**used.columns, "shots": shots[known]})


def find_run_frames(
    results: Results, stack: ExitStack
) -> tuple[RunFrames, tuple[str, ...]]:
    """Return the frames of a run from its source, else from the hits that it kept.

    Also sentences on what cannot be had.
    """
    folder = results.path.parent
    notes: list[str] = []
    try:
        kept = stack.enter_context(LabelledDataset(folder / HITS))
    except DataError:
        kept = None
    try:
        loaded = check_config(parse_yaml(results.config, f"{results.path}: config"))
        source = loaded.settings.source.open(loaded.folder)
        if source is not None:
            stack.enter_context(closing(source))
            used = kept is not None and kept.shape == source.shape
            mask = kept.mask if kept is not None and used else _mask(loaded, source)
            return _of_source(results, loaded, source, mask), ()
        modules = loaded.settings.source.modules(loaded.folder)
    except SpecklennError as error:
        modules, why = 1, " ".join(str(error).split())
        notes.append(f"frames of the run cannot be read: {why}")
    if kept is not None:
        return _of_hits(results, kept, modules), tuple(notes)
    nowhere = RunFrames(words="none", there=np.zeros(len(results), bool), read=_nothing)
    return nowhere, (*notes, f"no frames: {folder / HITS} cannot be read either")


def _nothing(position: int) -> Picture:
    raise DataError(f"row {position} has no frame")


def in_pixels(shape: tuple[int, int]) -> str:
    """Return the shape of frames for a person."""
    return f"{shape[0]} x {shape[1]} pixels"


def _mask(loaded: LoadedConfig, source: IndexedSource) -> Mask | None:
    """Return the pixels that are bad by the data or by the configuration."""
    mask = source.mask() if isinstance(source, DetectorRun) else None
    given = loaded.settings.calibration
    if given.mask_file is None:
        return mask
    other = read_mask_file(
        given.mask_file, given.mask_dataset, source.shape, given.mask_bits
    )
    return other if mask is None else mask | other


def _of_source(
    results: Results, loaded: LoadedConfig, source: IndexedSource, mask: Mask | None
) -> RunFrames:
    shots, calibration = results.rows["index"], loaded.settings.calibration
    modules = source.modules if isinstance(source, DetectorRun) else 1
    arranged = layout(source.shape, modules, _positions(loaded))

    def read(position: int) -> Picture:
        shot = int(shots[position])
        found = source.read(shot, shot + 1)
        frame = found.frames[0].astype(np.float32)
        frame = (frame - calibration.offset_adu) / calibration.adu_per_photon
        if mask is not None:
            frame[mask] = np.nan
        if found.bad is not None:
            frame[found.bad[0]] = np.nan
        if found.flags[0] & (Flag.UNREADABLE.bits | Flag.WRONG_SHAPE.bits):
            frame[:] = np.nan
        return shrunk(arranged(frame.astype(np.float32)))

    where = getattr(loaded.settings.source, "path", loaded.settings.source.kind)
    return RunFrames(
        words=f"{len(source)} of {in_pixels(source.shape)} in {where}",
        there=(shots >= source.first) & (shots < source.first + len(source)),
        read=read,
    )


def _positions(loaded: LoadedConfig) -> npt.NDArray[Any] | None:
    """Return where the pixels are, if the first file of the run says so."""
    named = getattr(loaded.settings.source, "path", None)
    path = named[0] if isinstance(named, list) and named else named
    try:
        with open_file(path or "") as file:
            return pixel_positions(file)
    except DataError:
        return None


def _of_hits(results: Results, kept: LabelledDataset, modules: int) -> RunFrames:
    column = kept.column(INDEX)
    index = np.zeros(0, np.int64) if column is None else column[: len(kept)]
    position_of = {int(shot): position for position, shot in enumerate(index)}
    shots = results.rows["index"]
    pictures = FramePictures(kept, layout(kept.shape, modules))
    return RunFrames(
        words=f"{len(index)} of {in_pixels(kept.shape)} in {kept.path}, those that the "
        "run kept",
        there=np.isin(shots, index),
        read=lambda position: pictures(position_of[int(shots[position])]),
    )
