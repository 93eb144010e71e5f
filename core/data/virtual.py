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
    has_writer,
    open_file,
    title,
)
from specklenn.core.data.written import written_rows
from specklenn.core.errors import DataError

NAMED = 3
"""Missing sources that a message names."""

OTHER_FILES = 64
"""Files that a process has open besides the sources of one dataset."""

DATASETS_AT_ONCE = 8
"""Virtual datasets that one process may have open."""

SAME_FILE = "."

ENDLESS = 2**40
"""Rows of a mapping that has no end."""

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

    def places(self, rows: Shots) -> Shots:
        """Return which of the selected rows, from 0, selected rows (B,) are."""
        offset = rows - self.start
        places: Shots = offset // self.stride * self.block + offset % self.stride
        return places

    def below(self, length: int) -> int:
        """Return how many of the selected rows a dataset of this length has."""
        offset = max(length - self.start, 0)
        whole, rest = divmod(offset, self.stride)
        return min(whole * self.block + min(rest, self.block), self.rows)

    @property
    def rows(self) -> int:
        """How many are selected."""
        return self.count * self.block


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
    there : int or None
        How many of the shots it has by now, if it grows; None if it has all.
    """

    file: Path
    shots: Range
    modules: tuple[int, int]
    problem: str
    chunk_bytes: int
    there: int | None

    def holds(self, shots: Shots) -> npt.NDArray[np.bool_]:
        """Return which shots (B,) are said to lie in it, and do by now."""
        mine = self.shots.has(shots)
        if self.there is None:
            return mine
        found: npt.NDArray[np.bool_] = mine & (self.shots.places(shots) < self.there)
        return found


class VirtualSources:
    """What a virtual dataset is made of.

    Parameters
    ----------
    dataset : h5py.Dataset
        Virtual, with shots along its first axis.
    followed : bool
        Its files are being written: those that have fewer shots than they are said to
        have will have more.

    Raises
    ------
    DataError
        If it has more files than this system lets a process open.
    """

    def __init__(self, dataset: h5py.Dataset, *, followed: bool = False) -> None:
        self._title = title(dataset)
        self._number = len(dataset)
        mapped = _mappings(dataset)
        _allow_open_files(len({item.file_name for item in mapped}), self._title)
        known: dict[tuple[str, str], _Looked] = {}
        self.sources = [_source(dataset, item, known, followed) for item in mapped]

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
        reasons: list[str] = []
        for source in self.sources:
            shots = source.shots.has(every)
            covered |= shots
            if source.problem:
                lost |= shots
            short = shots & ~source.holds(every)
            if short.any():
                lost |= short
                reasons.append(_not_yet(source))
        reasons += [each.problem for each in self.sources if each.problem]
        if not covered.all():
            reasons.append("no file is said to hold them")
        return int((lost | ~covered).sum()), _listed(reasons)

    def written_rows(self) -> int:
        """Return how many shots there are up to the last one that all files have."""
        every = np.arange(self._number)
        whole, covered = np.ones((2, self._number), bool)
        covered[:] = False
        for source in self.sources:
            shots = source.shots.has(every)
            covered |= shots
            whole &= ~shots | (source.holds(every) & (not source.problem))
        found = np.flatnonzero(whole & covered)
        return int(found[-1]) + 1 if len(found) else 0

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
                short = found & ~source.holds(shots)
                if short.any():
                    self._refuse(shots[short][0], _not_yet(source))
        if not covered.all():
            self._refuse(shots[~covered][0], "no file is said to hold it")

    def _refuse(self, shot: np.int64, why: str) -> None:
        raise DataError(f"{self._title}: shot {shot} cannot be read: {why}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mapping:
    """What a virtual dataset says of one source.

    Parameters
    ----------
    vspace : h5py.h5s.SpaceID
        What of the dataset it fills in.
    src_space : h5py.h5s.SpaceID or None
        What of the source is taken; None where HDF5 does not tell, as of one that was
        empty and has no end.
    """

    file_name: str
    dset_name: str
    vspace: h5py.h5s.SpaceID
    src_space: h5py.h5s.SpaceID | None


def _mappings(dataset: h5py.Dataset) -> list[_Mapping]:
    """Return what a virtual dataset is made of."""
    told = dataset.id.get_create_plist()
    found = []
    for number in range(told.get_virtual_count()):
        try:
            src_space = told.get_virtual_srcspace(number)
        except RuntimeError:
            src_space = None
        found.append(
            _Mapping(
                file_name=told.get_virtual_filename(number),
                dset_name=told.get_virtual_dsetname(number),
                vspace=told.get_virtual_vspace(number),
                src_space=src_space,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """What one look at a file of a virtual dataset found."""

    file: Path
    problem: str = ""
    chunk_bytes: int = 0
    shape: tuple[int, ...] = ()
    written: int | None = None


def being_written(dataset: h5py.Dataset) -> bool:
    """Whether a file of a virtual dataset has a writer, by what it says itself."""
    virtual = Path(dataset.file.filename)
    names = {item.file_name for item in _mappings(dataset)}
    return any(has_writer(_located(virtual, name)) for name in names - {SAME_FILE})


def _source(
    dataset: h5py.Dataset,
    item: _Mapping,
    known: dict[tuple[str, str], _Looked],
    followed: bool,
) -> Source:
    """Look at one source; each file and dataset is opened once."""
    key = (item.file_name, item.dset_name)
    if key not in known:
        known[key] = _look(dataset, *key, followed=followed)
    found = known[key]
    shots, modules = _selected(item.vspace, dataset.shape)
    problem, there = found.problem, None
    if not problem:
        there = _rows_there(item, shots, found)
        if there is None:
            problem = _too_short(item, found.shape, found.file)
    return Source(
        file=found.file,
        shots=shots,
        modules=modules,
        problem=problem,
        chunk_bytes=found.chunk_bytes,
        there=there,
    )


def _look(
    dataset: h5py.Dataset, file_name: str, name: str, *, followed: bool
) -> _Looked:
    """Open a source and say what it has."""
    path = _located(Path(dataset.file.filename), file_name)
    try:
        with open_file(path, followed=followed) as file:
            found = get_dataset(file, name)
            problem, written = "", None
            if found.is_virtual:
                nested = VirtualSources(found, followed=followed)
                lost, why = nested.missing()
                if followed:
                    written = nested.written_rows()
                else:
                    problem = why if lost else ""
            elif found.ndim and (followed or file.swmr_mode):
                written = written_rows(found)
            return _Looked(
                file=path,
                problem=problem,
                chunk_bytes=chunk_bytes(found),
                shape=found.shape,
                written=written,
            )
    except DataError as error:
        return _Looked(file=path, problem=str(error))


def _rows_there(item: _Mapping, shots: Range, found: _Looked) -> int | None:
    """Return how many rows of a mapping a source that grows has; None for another.

    It grows if the mapping has no end, or if somebody writes it.
    """
    length = found.shape[0] if found.written is None else found.written
    if item.src_space is None:
        return length if shots.count == ENDLESS else None
    chosen = _regular(item.src_space)
    if chosen is None:
        return None
    endless = shots.count == ENDLESS and chosen.count == ENDLESS
    by_shot = shots.rows == chosen.rows and shots.rows > 1
    if endless or (found.written is not None and by_shot):
        return chosen.below(length)
    return None


def _regular(space: h5py.h5s.SpaceID) -> Range | None:
    """Return the rows of a regular selection, None of any other."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL and space.shape:
        return Range(start=0, stride=1, count=1, block=max(space.shape[0], 1))
    if kind != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    start, stride, count, block = (int(x[0]) for x in space.get_regular_hyperslab())
    if block >= ENDLESS:
        stride, count, block = 1, ENDLESS, 1
    return Range(start=start, stride=stride, count=min(count, ENDLESS), block=block)


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


def _too_short(item: _Mapping, shape: tuple[int, ...], file: Path) -> str:
    """Say that a source has fewer values than are taken of it, if it has."""
    where = f"{file}:{item.dset_name}: shape {shape} found"
    if item.src_space is None:
        return ""
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
    regular = _regular(space)
    try:
        bounds = space.get_select_bounds()
    except (ValueError, RuntimeError):  # without an end
        return regular or whole, _modules_without_end(space, shape)
    if bounds is None:
        return Range(start=0, stride=1, count=1, block=0), (0, 0)
    first, last = bounds
    modules = (int(first[1]), int(last[1]) + 1) if len(shape) > 1 else (0, 1)
    if regular is not None:
        return regular, modules
    rows = int(last[0]) - int(first[0]) + 1
    return Range(start=int(first[0]), stride=rows, count=1, block=rows), modules


def _modules_without_end(
    space: h5py.h5s.SpaceID, shape: tuple[int, ...]
) -> tuple[int, int]:
    if len(shape) < 2:
        return 0, 1
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or (
        not space.is_regular_hyperslab()
    ):
        return 0, shape[1]
    start, stride, count, block = (int(x[1]) for x in space.get_regular_hyperslab())
    return start, start + stride * (count - 1) + block


def _not_yet(source: Source) -> str:
    """Say that a file does not have a shot yet."""
    return f"{source.file}: {source.there} of its shots found, more expected"


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
