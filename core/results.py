"""Reads what a run has left: ``results.h5`` as a table by shot number.

A file can be read while its run goes on, when it has ended, and when it was killed::

    results = open_results("output/results.h5")
    single = results.table[results.table["label"] == "single-hit"]
    frame = results.to_pandas()  # where pandas is installed
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.data.hdf5_file import get_dataset, open_file, read_values
from specklenn.core.errors import DataError
from specklenn.core.flags import flag_names, skip_reasons
from specklenn.core.rows import Rows, by_class, class_names
from specklenn.core.table import Table

RESULTS = "results.h5"
ROWS = "rows"
VERSIONS = "versions"

OF_VERSION = ("model", "rule", "support_hash")
"""What of a version stands in the rows that it classified."""

DAMAGED = ("truncated", "not an HDF5 file")

REMEDY = (
    "; copy it again from the run's folder; if it is so there too, specklenn run with "
    "the config.yaml beside it makes it again from recorded data"
)
"""What there is to do about a file that is not whole."""

NOT_A_TIME = np.datetime64("NaT", "ns")


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """What a run has said of its shots so far.

    Parameters
    ----------
    path : Path
    experiment : str
    run : int
        Run number.
    classes : tuple of str
        Every label there can be.
    support_classes : tuple of str
        Those with supports, in the order of the distances.
    config : str
        The run's configuration with every default, YAML.
    closed : bool
        Whether the file was closed. Otherwise its run goes on, and another call of
        `open_results` finds more, or it was killed.
    rows : (N,) records
        As they are in the file, but by shot number; see `specklenn.core.rows`.
    versions : Table
        Which model and supports the versions are, and since when they were used.
    """

    path: Path
    experiment: str
    run: int
    classes: tuple[str, ...]
    support_classes: tuple[str, ...]
    config: str
    closed: bool
    rows: Rows
    versions: Table

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def table(self) -> Table:
        """The rows by name, a shot each, by shot number; see docs/results.md."""
        columns: dict[str, npt.NDArray[Any]] = {}
        for name in self.rows.dtype.names or ():
            columns.update(self._columns(name, self.rows[name]))
            if name == "flags":
                columns["reason"] = skip_reasons(self.rows[name])
        return Table({**columns, **self._of_versions()})

    def _columns(
        self, name: str, values: npt.NDArray[Any]
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Return what a person reads of a field; others than these are as they are."""
        if name == "index":
            return {"shot": values}
        if name in ("label", "truth"):
            return {name: class_names(values, self.classes)}
        if name == "distances":
            return by_class("distance", self.support_classes, values)
        if name == "flags":
            return {name: flag_names(values)}
        if name.endswith("_ns"):
            short = {"timestamp_ns": "time", "arrived_ns": "arrived"}
            return {short.get(name, name.removesuffix("_ns")): times(values)}
        return {name: values}

    def _of_versions(self) -> dict[str, npt.NDArray[np.str_]]:
        """Return model, rule and hash of the supports of each row by their names."""
        if not self.versions.columns:
            return {}
        places = self.version_of_rows
        return {
            name: np.array([*self.versions[name].tolist(), ""])[places]
            for name in OF_VERSION
        }

    @cached_property
    def version_of_rows(self) -> npt.NDArray[np.int64]:
        """Which of the versions each row was classified by, (N,) int64; -1 if none.

        The first one with its numbers, if it came back later.
        """
        known = {name for name in self.versions.names if name.endswith("_version")}
        keys = known & {*(self.rows.dtype.names or ())}
        places = np.full(len(self), -1, np.int64)
        for place in reversed(range(len(self.versions))):
            same = np.ones(len(self), bool)
            for key in keys:
                same &= self.rows[key] == self.versions[key][place]
            places[same] = place
        return places

    def to_pandas(self) -> Any:
        """Return the table as a pandas ``DataFrame`` whose index is the shot number.

        Raises
        ------
        MissingPackageError
            If pandas is not installed; `table` needs none.
        """
        return self.table.to_pandas("shot")

    def __str__(self) -> str:
        return str(self.table)


def open_results(path: str | os.PathLike[str]) -> Results:
    """Read the results of a run, however far it has come.

    Parameters
    ----------
    path : path
        A run's ``results.h5``, or its folder.

    Raises
    ------
    DataError
        If the file cannot be opened, or is no result of a run.
    """
    path = Path(path)
    path = path / RESULTS if path.is_dir() else path
    with _open(path) as file:
        if file.get(ROWS) is None or "classes" not in file.attrs:
            raise DataError(
                f"{path}: no results of a run found, the {RESULTS} of a run expected"
            )
        rows = read_values(get_dataset(file, ROWS))
        return Results(
            path=path,
            experiment=str(file.attrs.get("experiment", "")),
            run=int(file.attrs.get("run", 0)),
            classes=tuple(file.attrs["classes"]),
            support_classes=tuple(file.attrs.get("support_classes", ())),
            config=str(file.attrs.get("config", "")),
            closed=not file.swmr_mode,
            rows=rows[np.argsort(rows["index"], kind="stable")],
            versions=read_versions(file, VERSIONS),
        )


def _open(path: Path) -> h5py.File:
    """Open the file; where that is damaged, say what there is to do."""
    try:
        return open_file(path)
    except DataError as error:
        damaged = any(words in str(error) for words in DAMAGED)
        raise DataError(f"{error}{REMEDY * damaged}") from error


def read_versions(file: h5py.File, name: str) -> Table:
    """Read the versions in an open file; a table of none where it has none."""
    if file.get(name) is None:
        return Table({})
    records = read_values(get_dataset(file, name))
    columns: dict[str, npt.NDArray[Any]] = {}
    for field in records.dtype.names or ():
        values = records[field]
        if values.dtype.kind == "S":  # cut to its length, perhaps within a letter
            texts = [
                value.decode("utf-8", errors="ignore") for value in values.tolist()
            ]
            columns[field] = np.array(texts, np.str_)
        elif field.endswith("_ns"):
            columns[field.removesuffix("_ns")] = times(values)
        else:
            columns[field] = values
    return Table(columns)


def times(values_ns: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.datetime64]:
    """Return Unix times in nanoseconds as datetime64, UTC; 0 is a time not known."""
    made = values_ns.astype(np.int64).astype("M8[ns]")
    return np.where(values_ns == 0, NOT_A_TIME, made)
