"""Opens runs with psana, in its own process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from specklenn.core.errors import DataError, MissingPackageError
from specklenn.plugin.sources.psana.job import Constants, Job

DATA_ROOT = "/reg/d/psdm"
"""Where psana looks for experiments, unless SIT_PSDM_DATA says otherwise."""

CACHE_TRIES = 3
"""Looks at the cache of constants, one a second."""

MPI = "mpi4py.MPI"


def import_psana() -> None:
    """Import psana without starting MPI.

    One of its detectors asks MPI for rank and size as soon as it is imported. A
    second MPI process in place of a rank can end the job, so psana gets a stand-in for
    MPI with one rank.

    Raises
    ------
    MissingPackageError
        If psana or what it needs is missing.
    """
    alone = ModuleType(MPI)
    vars(alone)["COMM_WORLD"] = SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: 1)
    sys.modules[MPI] = alone
    try:
        importlib.import_module("psana")
    except ImportError as error:
        raise MissingPackageError(
            f"psana cannot be imported ({error}); expected: libkrb5-dev of Debian and "
            'pip install "specklenn[psana]"'
        ) from error


def constants_options(constants: Constants) -> dict[str, Any]:
    """Return psana's options for calibration constants."""
    if constants == "none":
        return {"skip_calib_load": "all"}
    if constants == "cache":
        tries = CACHE_TRIES
        return {"use_calib_cache": True, "fetch_calib_cache_max_retries": tries}
    return {}


def run_folder(job: Job) -> str:
    """Return the folder of a run's files, by default where psana expects it."""
    if job.folder:
        return job.folder
    root = os.environ.get("SIT_PSDM_DATA", DATA_ROOT)
    return os.path.join(root, job.exp[:3], job.exp, "xtc")


def serial_source(
    job: Job,
    folder: str,
    exp: str,
    run: int,
    small: Sequence[str] | None = None,
    event_filter: Callable[[Any], Any] | None = None,
) -> Any:
    """Return psana's source of a run with smalldata, which asks no logbook.

    Parameters
    ----------
    folder, exp, run
        Where and which.
    small : sequence of str, optional
        Files of smalldata; those of all streams by default.
    event_filter : function, optional
        Chooses from the events of smalldata those that are read.
    """
    from psana.psexp.serial_ds import SerialDataSource

    class OnDisk(SerialDataSource):  # type: ignore[misc]
        def _get_file_info_from_db(self, runnum: int) -> dict[str, Any]:
            if not job.live:
                return {}
            names = first_chunks(folder, exp, runnum)
            return {"xtc_files": names, "dirname": folder} if names else {}

        def _scan_run_files_on_disk(self, runnum: int) -> list[str]:
            return sorted(small or small_files(folder, exp, runnum))

    return OnDisk(
        exp=exp,
        run=run,
        dir=folder,
        live=job.live,
        smd_callback=event_filter or 0,
        log_level="ERROR",
        **constants_options(job.constants),
    )


def plain_source(job: Job, **which: Any) -> Any:
    """Return psana's source of one file, ``files=``, or of a memory, ``shmem=``."""
    from psana import DataSource

    return DataSource(**which, log_level="ERROR", **constants_options(job.constants))


def first_run(source: Any, where: str) -> Any:
    """Return the first run of a source.

    Raises
    ------
    DataError
        If there is none.
    """
    run = next(source.runs(), None)
    if run is None:
        raise DataError(f"{where}: no BeginRun in it, it ends too early or is damaged")
    return run


def first_chunks(folder: str, exp: str, run: int) -> list[str]:
    """Return the names of a run's xtc2 files, the first chunk of each stream."""
    found = Path(folder).glob(f"{exp}-r{run:04d}-s*-c000.xtc2*")
    return sorted({path.name.removesuffix(".inprogress") for path in found})


def small_files(folder: str, exp: str, run: int) -> list[str]:
    """Return the files of a run's smalldata, one for each stream."""
    found = Path(folder, "smalldata").glob(f"{exp}-r{run:04d}-s*.smd.xtc2*")
    return sorted(str(path) for path in found)
