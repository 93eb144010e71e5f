"""What a run leaves behind: ``results.h5`` with every row, ``hits.cxi`` with frames.

Both can be read while they are written (HDF5's single-writer multiple-reader
mode): open them with ``h5py.File(path, "r", swmr=True)``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import numpy.typing as npt

from specklenn.core.data.dataset_writer import DatasetWriter, open_for_writing, writing
from specklenn.core.rows import FIELDS, Rows, known_times, row_dtype
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.version_counts import VersionCounts
from specklenn.plugin.live.versions import Version

RESULTS = "results.h5"
HITS = "hits.cxi"
ROWS = "rows"
ROWS_PER_CHUNK = 4096
VERSIONS = "versions"
VERSIONS_PER_CHUNK = 64
INDEX = "/entry_1/event_1/index"
SCORE = "/entry_1/result_1/score"


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
        self._rows = self._growing(ROWS, dtype, ROWS_PER_CHUNK)
        self._versions = self._growing(VERSIONS, VERSION_DTYPE, VERSIONS_PER_CHUNK)
        self._counts = VersionCounts(facts.classes)
        self._counted = self._growing(
            VERSION_COUNTS, count_dtype(len(facts.classes)), VERSIONS_PER_CHUNK
        )
        self._file.swmr_mode = True
        self._waiting: list[Rows] = []

    def _growing(self, name: str, dtype: np.dtype[Any], chunk: int) -> h5py.Dataset:
        return self._file.create_dataset(
            name, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(chunk,)
        )

    def use(self, version: Version) -> None:
        """Write a version down; readers see it before they see its rows."""
        with writing(self._path):
            self._versions.resize(len(self._versions) + 1, axis=0)
            self._versions[-1] = _record(version)
            self._versions.flush()

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

    Beside the usual datasets it has the shot index of each frame and its score,
    and the mask that was used.

    Parameters
    ----------
    shape : (H, W)
    mask : (H, W) bool or None
    dtype : data type
        Of the frames: uint16 where they are whole photons, else float32.
    """

    def __init__(
        self,
        path: Path,
        facts: RunFacts,
        shape: tuple[int, int],
        mask: npt.NDArray[np.bool_] | None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self._path = path
        self._classes = np.array(facts.classes)
        self._writer = DatasetWriter(
            path, shape, dtype, mask, names=False, in_photons=True
        )
        self._writer.add_column(INDEX, np.int64)
        self._writer.add_column(SCORE, np.float32)
        self._writer.let_others_read()

    def use(self, version: Version) -> None:
        """Frames do not depend on the version."""

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
                others={INDEX: rows["index"], SCORE: rows["score"]},
            )

    def flush(self) -> None:
        """Let readers see what was written."""
        with writing(self._path):
            self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        with writing(self._path):
            self._writer.close()
