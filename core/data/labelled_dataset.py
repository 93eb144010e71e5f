"""The labelled dataset: one HDF5 layout that every command reads and writes.

The layout is CXI's (see docs/architecture.md)::

    /entry_1/data_1/data          (N, H, W) or (N, modules, H, W), photons per pixel
    /entry_1/data_1/mask          (H, W), or one for every shot, 0 = good, optional
    /entry_1/result_1/label       (N,) UTF-8, optional
    /entry_1/sample_1/name        (N,) UTF-8, optional
    /entry_1/event_1/timestamp_ns (N,) uint64, Unix epoch, optional

Modules are stacked (`core.data.frames`). Frames that specklenn calibrated have the
attribute ``units``: ``photons``; nobody calibrates them again.

`LabelledDataset` is the only reader: what it refuses, every command refuses.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data import masks
from specklenn.core.data.frames import (
    PHOTONS,
    UNITS,
    Frames,
    Indices,
    Modules,
    module_count,
    numbered,
    picture_shape,
    read_frames,
    shot_count,
)
from specklenn.core.data.hdf5_file import (
    check_numbers,
    exploring,
    get_dataset,
    open_dataset,
    open_file,
    read_values,
    reading,
    title,
)
from specklenn.core.data.masks import FileMask, Mask, MaskBits
from specklenn.core.data.side_datasets import (
    Texts,
    Timestamps,
    read_texts,
    read_times,
)
from specklenn.core.data.virtual import VirtualSources, being_written
from specklenn.core.data.written import filled_rows, filled_values, written_rows
from specklenn.core.errors import DataError

log = logging.getLogger(__name__)

DATA = "/entry_1/data_1/data"
MASK = masks.MASK
LABEL = "/entry_1/result_1/label"
NAME = "/entry_1/sample_1/name"
TIMESTAMP = "/entry_1/event_1/timestamp_ns"

LONGEST_TEXT = 64
"""Bytes of a label or name in the files that we write."""

USUAL = (MASK, LABEL, NAME, TIMESTAMP)
"""Names that stand in the settings whether or not a file has such datasets."""

TEXT = h5py.string_dtype("utf-8", LONGEST_TEXT)
"""Fixed length, since strings of any length cannot be read while written."""


@dataclass(frozen=True, kw_only=True)
class DatasetNames:
    """Where things are in a file.

    Parameters
    ----------
    data : str
    mask, labels, names, timestamps : str or None
        Used where they exist; None where they must not be. A name that is not the
        usual one was written by somebody: it must exist.
    mask_bits : "cxi", "any" or int
        Bits of the mask that make a pixel bad.
    """

    data: str = DATA
    mask: str | None = MASK
    labels: str | None = LABEL
    names: str | None = NAME
    timestamps: str | None = TIMESTAMP
    mask_bits: MaskBits = "cxi"


def frames_alone(data: str = DATA) -> DatasetNames:
    """Return names by which nothing but frames is read."""
    return DatasetNames(data=data, mask=None, labels=None, names=None, timestamps=None)


class LabelledDataset:
    """An open labelled dataset whose parts fit together; frames are read when needed.

    A file that is being written, or whose writer was killed, ends with the last shot
    that all of its datasets have.

    Parameters
    ----------
    path : path
        HDF5 or CXI file.
    where : DatasetNames
    followed : bool
        It grows, and is looked at again and again (`core.data.growing_file`): no lock
        is taken, nothing is refused for being short, and it has no shot before
        `look`. Its labels, names and times are read by `texts_of` and `times_of`.

    Attributes
    ----------
    path : Path
    shape : (H, W)
        Shape of a frame, its modules stacked.
    modules : int
        Modules that lie on top of each other in a frame.
    dtype : data type
        Data type of the frames.
    in_photons : bool
        Whether the file says that its frames are calibrated.
    labels, names : (N,) str or None
        Labels and sample names of the shots; None where there are none.
    timestamps_ns : (N,) uint64 or None
        Unix epoch; None where there are none.
    notes : tuple of str
        What of it cannot be read, sentences.

    Raises
    ------
    DataError
        If the file cannot be opened, has no stack of frames, has labels, names or
        timestamps that cannot be read, or one of these or a mask that does not fit
        the frames.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        where: DatasetNames | None = None,
        *,
        followed: bool = False,
    ) -> None:
        self.path = Path(path)
        self._where = where or DatasetNames()
        self._followed = followed
        self._file = open_file(path, followed=followed)
        try:
            with exploring(self._file):
                self._open()
        except DataError:
            self.close()
            raise

    def _open(self) -> None:
        where = self._where
        data = self._data = self._open_frames(where.data)
        self.shape = picture_shape(data.shape, title(data))
        self.modules = module_count(data.shape)
        self.dtype: np.dtype[Any] = data.dtype
        self.in_photons = bool(data.attrs.get(UNITS) == PHOTONS)
        self._mask = self._open_mask()
        labels, names, timestamps = (
            self._find(name) for name in (where.labels, where.names, where.timestamps)
        )
        self._texts, self._times = labels, timestamps
        self._columns = [
            each for each in (labels, names, timestamps) if each is not None
        ]
        self._check_columns()
        self.labels = self.names = None
        self.timestamps_ns: Timestamps | None = None
        self._length = 0
        self.notes: tuple[str, ...] = ()
        if self._followed:
            return
        self._length = self._shots()
        if self.growing:
            _tell_growing(str(self.path))
        self.notes = self._missing()
        self.labels = None if labels is None else read_texts(labels, len(self))
        self.names = None if names is None else read_texts(names, len(self))
        if timestamps is not None:
            self.timestamps_ns = read_times(timestamps, len(self))

    def _open_frames(self, name: str) -> h5py.Dataset:
        """Open the frames; of a virtual dataset, look for its files first."""
        self._read_as_written(name)
        data = get_dataset(self._file, name)
        check_numbers(data)
        self._virtual: VirtualSources | None = None
        if not data.is_virtual:
            return data
        self._virtual = VirtualSources(data, followed=self._followed)
        del data  # see `open_dataset`
        return open_dataset(self._file, name, self._virtual.cache_bytes)

    def _read_as_written(self, name: str) -> None:
        """Open a virtual dataset of files being written in the way that reads them."""
        found = self._file.get(name)
        virtual = isinstance(found, h5py.Dataset) and found.is_virtual
        if not virtual or self._file.swmr_mode:
            return
        if self._followed or being_written(found):
            self._file.close()
            self._file = open_file(self.path, followed=self._followed, swmr=True)

    def _missing(self) -> tuple[str, ...]:
        """Say which shots no file has; refuse a file in which that is all."""
        if self._virtual is None:
            return self._unwritten()
        lost, why = self._virtual.missing()
        if lost == 0:
            return ()
        said = f"{self}: {lost} of {len(self._data)} shots cannot be read: {why}"
        if lost == len(self._data):
            raise DataError(said)
        return (said,)

    def _unwritten(self) -> tuple[str, ...]:
        """Say how much was made room for and never written, which HDF5 reads as 0."""
        data = self._data
        if self.growing or data.size == 0 or data.external:
            return ()
        if data.id.get_storage_size() == 0:
            raise DataError(f"{self}: no value of it was ever written")
        if not data.chunks:
            return ()
        chunks = math.prod(map(math.ceil, np.divide(data.shape, data.chunks)))
        written = data.id.get_num_chunks()
        if written == chunks:
            return ()
        return (f"{self}: {written} of {chunks} chunks were written, the others are 0",)

    def _open_mask(self) -> FileMask | None:
        found, bits = self._find(self._where.mask), self._where.mask_bits
        if found is None:
            return None
        mask = FileMask(dataset=found, shape=self.shape, bits=bits)
        shots = shot_count(self._data.shape)
        if mask.of_every_shot and len(found) != shots and not self._grows:
            raise DataError(
                f"{title(found)}: mask of shape {found.shape}, {self.shape} or one for "
                f"each of {shots} shots expected"
            )
        return mask

    def _find(self, name: str | None) -> h5py.Dataset | None:
        """Return a dataset; None where there is none of a usual name."""
        if name is None or (name in USUAL and self._file.get(name) is None):
            return None
        return get_dataset(self._file, name)

    def _check_columns(self) -> None:
        for column in self._columns:
            if column.ndim == 0 or column.shape[1:] not in ((), (1,), (2,)):
                raise DataError(
                    f"{title(column)}: shape {column.shape}, "
                    f"({shot_count(self._data.shape)},) expected"
                )
            if not self._grows:
                self._check_length(column)

    def _check_length(self, column: h5py.Dataset) -> None:
        entries = len(column) if column.ndim else 1
        shots = shot_count(self._data.shape)
        if entries != shots:
            raise DataError(
                f"{title(column)}: {entries} entries found, {shots} expected, one for "
                "each frame"
            )

    def _shots(self, known: int = 0, *, to_the_end: bool = True) -> int:
        """Return the number of shots that every dataset has, as far as it was written.

        Of labels, names and times, which may be unknown, only the length counts if
        nothing more will be written.

        Parameters
        ----------
        known : int
            Shots that it had before.
        """
        if not self._grows:
            return shot_count(self._data.shape)
        frames = shot_count(self._data.shape)
        if self._virtual is not None:
            frames = self._virtual.written_rows()
        elif self._data.ndim > 2:
            frames = _written(self._data, known)
        found = [frames]
        if self._mask is not None and self._mask.of_every_shot:
            found.append(_written(self._mask.dataset, known))
        for column in self._columns:
            found.append(len(column) if to_the_end else _written(column, known))
        return min(found)

    @property
    def _grows(self) -> bool:
        """Whether its datasets may be of different lengths for now."""
        return self.growing or self._followed

    def look(self, known: int = 0, *, to_the_end: bool = False) -> int:
        """Return how many shots of a file that is followed are whole by now.

        Its length is that from now on.

        Parameters
        ----------
        known : int
            Shots that were whole before.
        to_the_end : bool
            Nothing more will be written: dark frames at the end are frames.
        """
        if self.growing and self._virtual is None:
            self._refresh()
        whole = self._shots(known, to_the_end=to_the_end)
        if not to_the_end and whole > known:
            if self._data.ndim > 2:
                whole = filled_rows(self._data, known, whole)
            if self._times is not None and whole > known:
                whole = filled_values(self._times, known, whole)
        self._length = whole
        return whole

    def _refresh(self) -> None:
        """Look anew at what another process writes meanwhile."""
        stacks = [self._data, *self._columns]
        if self._mask is not None and self._mask.of_every_shot:
            stacks.append(self._mask.dataset)
        with reading(self._data):
            for each in stacks:
                each.refresh()

    def texts_of(self, rows: npt.NDArray[np.int64]) -> Texts | None:
        """Return the labels of some shots, (B,) str; None where there are none."""
        if self._texts is None or not len(rows):
            return None
        first = int(rows.min())
        return read_texts(self._texts, slice(first, int(rows.max()) + 1))[rows - first]

    def times_of(self, rows: npt.NDArray[np.int64]) -> Timestamps | None:
        """Return the times of some shots, (B,) uint64, ns; None where none are."""
        if self._times is None or not len(rows):
            return None
        first = int(rows.min())
        return read_times(self._times, slice(first, int(rows.max()) + 1))[rows - first]

    def __len__(self) -> int:
        return self._length

    def __str__(self) -> str:
        return title(self._data)

    @property
    def growing(self) -> bool:
        """Whether the file is being written, so that others may see more shots."""
        return bool(self._file.swmr_mode)

    @property
    def virtual(self) -> bool:
        """Whether the frames lie in other files."""
        return self._virtual is not None

    @property
    def room(self) -> int:
        """Shots that there is room for, whether they were written or not."""
        return shot_count(self._data.shape)

    @property
    def mask(self) -> Mask | None:
        """Pixels that are bad in every shot, (H, W) bool; None without a mask."""
        return None if self._mask is None else self._mask.summary.always

    @property
    def mask_words(self) -> str:
        """How many pixels are masked and why, for a person; empty without a mask."""
        return "" if self._mask is None else self._mask.words()

    def bad_in(
        self, rows: Indices = slice(None), modules: Modules | None = None
    ) -> Mask | None:
        """Return the masks of some shots, (B, H, W) bool, True where bad.

        Parameters
        ----------
        rows, modules
            As of `frames`.

        Returns
        -------
        (B, H, W) bool or None
            None where all shots have the same mask, `mask`.
        """
        if self._mask is None or not self.masks_every_shot:
            return None
        return self._mask.of_shots(numbered(rows, len(self), self), modules)

    @property
    def cache_bytes(self) -> int:
        """Most bytes of unpacked chunks that HDF5 keeps of the frames."""
        return int(self._data.id.get_access_plist().get_chunk_cache()[1])

    @property
    def masked(self) -> bool:
        """Whether there is a mask."""
        return self._mask is not None

    @property
    def masks_every_shot(self) -> bool:
        """Whether every shot has a mask of its own."""
        return self._mask is not None and self._mask.of_every_shot

    def one_mask(self, purpose: str) -> Mask | None:
        """Return the mask, (H, W) bool, or refuse a file with masks of every shot."""
        if self.masks_every_shot:
            raise DataError(
                f"{self.path}: a mask of every shot at {self._where.mask}; {purpose} "
                "needs one for all"
            )
        return self.mask

    @property
    def bad(self) -> Mask:
        """The mask, (H, W) bool; all False where there is none."""
        return np.zeros(self.shape, bool) if self.mask is None else self.mask

    def need_labels(self, purpose: str) -> Texts:
        """Return the labels, (N,) str, or refuse a file without any."""
        return self._need(self.labels, "labels", self._where.labels, purpose)

    def need_names(self, purpose: str) -> Texts:
        """Return the names of the samples, (N,) str, or refuse a file without any."""
        return self._need(self.names, "sample names", self._where.names, purpose)

    def _need(
        self, texts: Texts | None, what: str, name: str | None, purpose: str
    ) -> Texts:
        if texts is None or not len(texts):
            raise DataError(f"{self.path}: no {what} at {name}; {purpose} needs them")
        return texts

    def column(self, name: str) -> npt.NDArray[Any] | None:
        """Return another dataset with one entry for each shot, (N, ...), if there.

        Of a file that is being written it may end before or behind the last shot.

        Raises
        ------
        DataError
            If it has another length, or cannot be read.
        """
        if self._file.get(name) is None:
            return None
        found = get_dataset(self._file, name)
        if not self.growing:
            self._check_length(found)
        return read_values(found)

    def frames(
        self, rows: Indices = slice(None), modules: Modules | None = None
    ) -> Frames:
        """Read some frames.

        Parameters
        ----------
        rows : slice or sequence of int
            Which shots; numbers may come in any order.
        modules : sequence of (int, int), optional
            Ranges of modules to read, each the first and the one behind the last;
            frames are 0 in the others. Frames without modules are read whole.

        Returns
        -------
        (B, H, W) array

        Raises
        ------
        DataError
            If a shot does not exist, is listed twice or cannot be read.
        """
        shots = numbered(rows, len(self), self)
        if self._virtual:
            self._virtual.check(shots, modules)
        return read_frames(self._data, shots, modules)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> LabelledDataset:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@cache
def _tell_growing(path: str) -> None:
    """Say that a file is being written, once however often it is opened."""
    log.warning("%s: being written: the shots that are there now are read", path)


def _written(stack: h5py.Dataset, known: int) -> int:
    """Return how many rows of a dataset were written; all that it has if none tells."""
    if stack.is_virtual or stack.external:
        return len(stack)
    return written_rows(stack, known)


def check_calibration(where: str, in_photons: bool, calibrated: bool) -> None:
    """Refuse to calibrate frames that are in photons a second time.

    Raises
    ------
    DataError
        If they are in photons, and the configuration takes them for ADU.
    """
    if in_photons and not calibrated:
        raise DataError(
            f"{where}: calibrated already (units: photons), calibration.adu_per_photon "
            "1 and offset_adu 0 expected, or the file of the detector itself"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A labelled dataset in memory.

    Parameters
    ----------
    patterns : (N, H, W) array, photons per pixel
    mask : (H, W) bool or None
        True where a pixel is bad.
    labels, names : (N,) str or None
    timestamps_ns : (N,) uint64 or None
    """

    patterns: Frames
    mask: Mask | None = None
    labels: Texts | None = None
    names: Texts | None = None
    timestamps_ns: Timestamps | None = None


def read_dataset(
    path: str | os.PathLike[str], rows: slice | Sequence[int] = slice(None)
) -> Dataset:
    """Read a labelled dataset, or some of its shots, into memory."""
    with LabelledDataset(path) as opened:
        labels, names, times = opened.labels, opened.names, opened.timestamps_ns
        return Dataset(
            patterns=opened.frames(rows),
            mask=opened.mask,
            labels=None if labels is None else labels[rows],
            names=None if names is None else names[rows],
            timestamps_ns=None if times is None else times[rows],
        )
