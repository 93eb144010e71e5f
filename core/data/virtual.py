"""Virtual datasets, whose values lie in other files: which of those are missing.

HDF5 reads the values of a source that it cannot open as 0 and says nothing, so that
shots nobody has look like dark ones. Here every source is opened once before, and
looked for again whenever shots are read.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import (
    LARGEST_CACHE,
    chunk_bytes,
    get_dataset,
    open_file,
    title,
)
from specklenn.core.errors import DataError

NAMED = 3
"""Missing sources that a message names."""

OTHER_FILES = 64
"""Files that a process has open besides the sources of one dataset."""

DATASETS_AT_ONCE = 8
"""Virtual datasets that one process may have open."""

SAME_FILE = "."

Shots = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Blocks of rows at equal distances, as HDF5 selects them."""

    start: int
    stride: int
    count: int
    block: int

    def has(self, rows: Shots) -> npt.NDArray[np.bool_]:
        """Return which of some rows (B,) are selected."""
        offset = rows - self.start
        inside = (offset >= 0) & (offset < self.stride * (self.count - 1) + self.block)
        found: npt.NDArray[np.bool_] = inside & (offset % self.stride < self.block)
        return found


@dataclass(frozen=True, kw_only=True)
class Source:
    """A part of a virtual dataset.

    Parameters
    ----------
    file : Path
    shots : Range
    modules : (int, int)
        First module, and the one behind the last; of frames without modules, rows.
    problem : str
        Why it cannot be read; empty where it can.
    chunk_bytes : int
        Size of the compressed chunks that a frame lies in.
    """

    file: Path
    shots: Range
    modules: tuple[int, int]
    problem: str
    chunk_bytes: int


class VirtualSources:
    """What a virtual dataset is made of.

    Parameters
    ----------
    dataset : h5py.Dataset
        Virtual, with shots along its first axis.

    Raises
    ------
    DataError
        If it has more files than this system lets a process open.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._title = title(dataset)
        self._number = len(dataset)
        mapped = dataset.virtual_sources()
        _allow_open_files(len({item.file_name for item in mapped}), self._title)
        known: dict[tuple[str, str], tuple[Path, str, int, tuple[int, ...]]] = {}
        self.sources = [_source(dataset, item, known) for item in mapped]

    @property
    def cache_bytes(self) -> int:
        """Room for the chunks of a frame, which HDF5 sets aside for every source."""
        largest = max((each.chunk_bytes for each in self.sources), default=0)
        return min(largest, LARGEST_CACHE // max(len(self.sources), 1))

    def missing(self) -> tuple[int, str]:
        """Return how many shots cannot be read, and why; 0 if all can."""
        every = np.arange(self._number)
        covered = np.zeros(self._number, bool)
        lost = np.zeros(self._number, bool)
        for source in self.sources:
            shots = source.shots.has(every)
            covered |= shots
            if source.problem:
                lost |= shots
        reasons = [each.problem for each in self.sources if each.problem]
        if not covered.all():
            reasons.append("no file is said to hold them")
        return int((lost | ~covered).sum()), _listed(reasons)

    def check(
        self, shots: Shots, modules: Sequence[tuple[int, int]] | None = None
    ) -> None:
        """Refuse to read shots of which a value is missing.

        Parameters
        ----------
        shots : (B,) int64
        modules : sequence of (int, int), optional
            Ranges of modules that are wanted; all by default.

        Raises
        ------
        DataError
            Names the first shot and the file.
        """
        covered = np.zeros(len(shots), bool)
        for source in self.sources:
            found = source.shots.has(shots)
            covered |= found
            if found.any() and _wanted(source.modules, modules):
                gone = source.problem or _gone(source.file)
                if gone:
                    self._refuse(shots[found][0], gone)
        if not covered.all():
            self._refuse(shots[~covered][0], "no file is said to hold it")

    def _refuse(self, shot: np.int64, why: str) -> None:
        raise DataError(f"{self._title}: shot {shot} cannot be read: {why}")


def _source(
    dataset: h5py.Dataset,
    item: h5py.VDSmap,
    known: dict[tuple[str, str], tuple[Path, str, int, tuple[int, ...]]],
) -> Source:
    """Look at one source; each file and dataset is opened once."""
    key = (item.file_name, item.dset_name)
    if key not in known:
        known[key] = _look(dataset, *key)
    file, problem, size, shape = known[key]
    if not problem:
        problem = _too_short(item, shape, file)
    shots, modules = _selected(item.vspace, dataset.shape)
    return Source(
        file=file, shots=shots, modules=modules, problem=problem, chunk_bytes=size
    )


def _look(
    dataset: h5py.Dataset, file_name: str, name: str
) -> tuple[Path, str, int, tuple[int, ...]]:
    """Return file, problem, bytes of chunks and shape of a source."""
    path = _located(Path(dataset.file.filename), file_name)
    try:
        with open_file(path) as file:
            found = get_dataset(file, name)
            problem = ""
            if found.is_virtual:
                lost, why = VirtualSources(found).missing()
                problem = why if lost else ""
            return path, problem, chunk_bytes(found), found.shape
    except DataError as error:
        return path, str(error), 0, ()


def _located(virtual: Path, name: str) -> Path:
    """Return the path of a source as HDF5 looks for it; the first guess if nowhere."""
    if name == SAME_FILE:
        return virtual
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "")
    folders = [
        *(Path(each) for each in prefixes.split(os.pathsep) if each),
        virtual.parent,
        Path(),
        virtual.resolve().parent,
    ]
    names = [name, Path(name).name] if Path(name).is_absolute() else [name]
    tried = [folder / each for each in names for folder in folders]
    return next((path for path in tried if path.exists()), virtual.parent / name)


def _too_short(item: h5py.VDSmap, shape: tuple[int, ...], file: Path) -> str:
    """Say that a source has fewer values than are taken of it, if it has."""
    where = f"{file}:{item.dset_name}: shape {shape} found"
    try:
        if item.src_space.get_select_type() == h5py.h5s.SEL_ALL:
            wanted = int(item.vspace.get_select_npoints())
            return (
                ""
                if wanted <= math.prod(shape)
                else f"{where}, {wanted} values expected"
            )
        last = item.src_space.get_select_bounds()[1]
    except (ValueError, RuntimeError):  # it grows, and the virtual dataset with it
        return ""
    if len(last) == len(shape) and all(np.less(last, shape)):
        return ""
    return f"{where}, at least {tuple(int(each) + 1 for each in last)} expected"


def _selected(
    space: h5py.h5s.SpaceID, shape: tuple[int, ...]
) -> tuple[Range, tuple[int, int]]:
    """Return the shots and the modules that a source fills in."""
    whole = Range(start=0, stride=1, count=1, block=max(shape[0], 1))
    try:
        first, last = space.get_select_bounds()
    except (ValueError, RuntimeError):  # without an end
        return whole, (0, shape[1] if len(shape) > 1 else 1)
    modules = (int(first[1]), int(last[1]) + 1) if len(shape) > 1 else (0, 1)
    if space.get_select_type() == h5py.h5s.SEL_HYPERSLABS and (
        space.is_regular_hyperslab()
    ):
        start, stride, count, block = (
            int(each[0]) for each in space.get_regular_hyperslab()
        )
        return Range(start=start, stride=stride, count=count, block=block), modules
    rows = int(last[0]) - int(first[0]) + 1
    return Range(start=int(first[0]), stride=rows, count=1, block=rows), modules


def _wanted(modules: tuple[int, int], ranges: Sequence[tuple[int, int]] | None) -> bool:
    if ranges is None:
        return True
    return any(first < modules[1] and modules[0] < stop for first, stop in ranges)


def _gone(file: Path) -> str:
    """Say that a file can no longer be opened, if that is so."""
    if os.access(file, os.R_OK):
        return ""
    return f"{file}: {'permission denied' if file.exists() else 'no such file'}"


def _listed(reasons: Iterable[str]) -> str:
    every = list(dict.fromkeys(reasons))
    more = f"; and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return "; ".join(every[:NAMED]) + more


def _allow_open_files(number: int, where: str) -> None:
    """Let this process open so many files: HDF5 keeps all sources open.

    What it cannot open for want of room it reads as 0 too.
    """
    needed = number + OTHER_FILES
    soft, hard = (
        math.inf if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if hard < needed:
        raise DataError(
            f"{where}: {number} source files, this system lets a process open "
            f"{hard} (ulimit -n), {needed} expected"
        )
    wanted = min(needed * DATASETS_AT_ONCE, hard)
    if soft < wanted:
        _, hardest = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(wanted), hardest))
