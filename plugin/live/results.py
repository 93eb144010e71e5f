"""What a run leaves behind: ``results.h5`` with every row, ``hits.cxi`` with frames.

Both can be read while they are written (HDF5's single-writer multiple-reader mode):
`specklenn.core.results.open_results` and `LabelledDataset` do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import numpy.typing as npt

from specklenn.core.data.dataset_writer import (
    DatasetWriter,
    fast_compression,
    open_for_writing,
    writing,
)
from specklenn.core.data.hits import MODULES, OF_ROWS
from specklenn.core.data.labelled_dataset import DATA
from specklenn.core.results import ROWS, VERSIONS
from specklenn.core.rows import FIELDS, Rows, known_times, row_dtype
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.version_counts import VersionCounts
from specklenn.plugin.live.versions import Version

ROWS_PER_CHUNK = 4096
VERSIONS_PER_CHUNK = 64


# Texts of fixed length, UTF-8: the others cannot be written while somebody reads.
VERSION_DTYPE = np.dtype(
    [
        ("number", "<u4"),
        ("model_version", "<u4"),
        ("model", "S64"),
        ("weights_sha256", "S64"),
        ("rule", "S16"),
        ("support_version", "<u4"),
        ("support_hash", "S16"),
        ("time_ns", "<u8"),
        ("asked_by", "S128"),
        ("fit_version", "<u4"),
        ("fit_rows", "<u8"),
    ]
)
"""One record per version, see `specklenn.plugin.live.versions.Version`."""


VERSION_COUNTS = "version_counts"


def count_dtype(classes: int) -> np.dtype[Any]:
    """Return the record of a version's counts.

    The numbers of the rows that it stands for, its shots with a row, those of them that
    could not be classified, and how many got each class.
    """
    return np.dtype(
        [
            ("model_version", "<u4"),
            ("support_version", "<u4"),
            ("fit_version", "<u4"),
            ("shots", "<u8"),
            ("skipped", "<u8"),
            ("counts", "<u8", (classes,)),
        ]
    )


class VersionsDataset:
    """The versions of a run in an open file; grows while others read.

    Parameters
    ----------
    file : h5py.File
        Not in its single-writer multiple-reader mode yet.
    """

    def __init__(self, file: h5py.File) -> None:
        self._records = growing(file, VERSIONS, VERSION_DTYPE, VERSIONS_PER_CHUNK)

    def add(self, version: Version) -> None:
        """Write a version down; readers see it before they see its rows."""
        self._records.resize(len(self._records) + 1, axis=0)
        self._records[-1] = _record(version)
        self._records.flush()


def growing(
    file: h5py.File, name: str, dtype: np.dtype[Any], chunk: int
) -> h5py.Dataset:
    """Create a dataset of records without any yet."""
    return file.create_dataset(
        name, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(chunk,)
    )


class ResultsFile:
    """``results.h5``: one row per shot in the dataset ``rows``.

    Attributes of the file say what the codes mean: classes, support classes, the
    configuration, the fields with their units. The dataset ``versions`` says which
    model and supports the versions in the rows are, and since when they were used;
    ``version_counts`` how many shots each of them gave which class, as far as the rows
    go.

    Parameters
    ----------
    config : str
        The resolved configuration as YAML.

    Raises
    ------
    DataError
        If the file cannot be written.
    """

    def __init__(self, path: Path, facts: RunFacts, config: str) -> None:
        self._path = path
        with writing(path):
            self._file = open_for_writing(path)
        self._file.attrs["classes"] = list(facts.classes)
        self._file.attrs["support_classes"] = list(facts.support_classes)
        self._file.attrs["experiment"] = facts.experiment
        self._file.attrs["run"] = facts.run
        self._file.attrs["fields"] = json.dumps(FIELDS)
        self._file.attrs["config"] = config
        dtype = row_dtype(len(facts.support_classes))
        self._rows = growing(self._file, ROWS, dtype, ROWS_PER_CHUNK)
        self._versions = VersionsDataset(self._file)
        self._counts = VersionCounts(facts.classes)
        dtype = count_dtype(len(facts.classes))
        self._counted = growing(self._file, VERSION_COUNTS, dtype, VERSIONS_PER_CHUNK)
        self._file.swmr_mode = True
        self._waiting: list[Rows] = []

    def use(self, version: Version) -> None:
        """Write a version down; readers see it before they see its rows."""
        with writing(self._path):
            self._versions.add(version)

    def write(self, report: Report) -> None:
        """Take rows; they reach the file at the next flush."""
        self._waiting.append(report.rows)

    def flush(self) -> None:
        """Append the waiting rows and let readers see them."""
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        first = self._rows.shape[0]
        with writing(self._path):
            self._rows.resize(first + len(rows), axis=0)
            self._rows[first:] = rows
            self._rows.flush()
            self._counts.add(rows)
            self._write_counts()
        self._waiting.clear()

    def _write_counts(self) -> None:
        """Write how many shots each version has; its place in the table stays."""
        self._counted.resize(len(self._counts), axis=0)
        self._counted[:] = np.array(
            [
                (*numbers, counted.shots, counted.skips, counted.counts)
                for numbers, counted in self._counts
            ],
            self._counted.dtype,
        )
        self._counted.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        with writing(self._path):
            self._file.close()


def read_versions(table: npt.NDArray[Any]) -> list[Version]:
    """Return what the dataset ``versions`` holds, oldest first."""
    named = [dict(zip(VERSION_DTYPE.names or (), item, strict=True)) for item in table]
    return [
        msgspec.convert(
            {
                k: v.decode(errors="replace") if isinstance(v, bytes) else int(v)
                for k, v in record.items()
            },
            Version,
        )
        for record in named
    ]


def _record(version: Version) -> npt.NDArray[Any]:
    record = np.zeros((), VERSION_DTYPE)
    for name, value in msgspec.structs.asdict(version).items():
        record[name] = value.encode() if isinstance(value, str) else value
    return record


class HitsFile:
    """``hits.cxi``: the frames of the shots worth keeping, a labelled dataset.

    Beside the usual datasets it has what the rows say of each frame
    (`specklenn.core.data.hits`), the versions, and the mask that was used. Frames are
    compressed: whole photons by gzip, which everybody reads, others by Bitshuffle and
    LZ4, since gzip would hold up the run.

    Parameters
    ----------
    shape : (H, W)
    mask : (H, W) bool or None
    dtype : data type
        Of the frames: uint16 where they are whole photons, else float32.
    modules : int
        Modules that lie on top of each other in a frame.
    """

    def __init__(
        self,
        path: Path,
        facts: RunFacts,
        shape: tuple[int, int],
        mask: npt.NDArray[np.bool_] | None,
        dtype: npt.DTypeLike = np.float32,
        modules: int = 1,
    ) -> None:
        self._path = path
        self._classes = np.array(facts.classes)
        self._writer = DatasetWriter(
            path,
            shape,
            dtype,
            mask,
            names=False,
            in_photons=True,
            compression=None if np.dtype(dtype).kind in "ui" else fast_compression(),
        )
        fields = row_dtype(len(facts.support_classes))
        for field, name in OF_ROWS.items():
            self._writer.add_column(name, fields[field])
        self._writer.file.attrs["experiment"] = facts.experiment
        self._writer.file.attrs["run"] = facts.run
        self._writer.file[DATA].attrs[MODULES] = modules
        self._versions = VersionsDataset(self._writer.file)
        self._writer.let_others_read()

    def use(self, version: Version) -> None:
        """Write a version down, before the frames that it classified."""
        with writing(self._path):
            self._versions.add(version)

    def write(self, report: Report) -> None:
        """Append the attached frames of a report."""
        frames = report.frames
        if len(frames.positions) == 0:
            return
        rows = report.rows[frames.positions]
        with writing(self._path):
            self._writer.append(
                frames.pictures,
                labels=self._classes[rows["label"]],
                timestamps_ns=known_times(rows),
                others={name: rows[field] for field, name in OF_ROWS.items()},
            )

    def flush(self) -> None:
        """Let readers see what was written."""
        with writing(self._path):
            self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        with writing(self._path):
            self._writer.close()
