"""Shots of LCLS-II, read with psana: recorded runs, growing runs, shared memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from specklenn.core.data.shots import LiveSource
from specklenn.core.data.sources import ConfigFolder, Share, SourceSettings
from specklenn.core.errors import MissingPackageError
from specklenn.core.settings_paths import FileName, FileNames
from specklenn.plugin.parallel.clock import SystemClock
from specklenn.plugin.sources.psana.job import Constants, Data, Job
from specklenn.plugin.sources.psana.process import PsanaProcess
from specklenn.plugin.sources.psana.run import PsanaRun


class PsanaSettings(SourceSettings):
    """Shots of LCLS-II: ``exp`` with ``run``, ``files`` or ``shmem``, exactly one.

    Parameters
    ----------
    kind : "psana"
    exp : str or None
        Experiment of a run with smalldata.
    run : int or None
        Its number.
    dir : path or None
        Folder of its xtc2 files; where psana expects them by default.
    files : path, list of path or None
        xtc2 files. Streams of one run that have smalldata are read together, other
        files follow each other.
    shmem : str or None
        Tag of a shared memory, whose server deals its events out to the workers.
    live : bool
        The run of `exp` is still being written; it is read from the beginning, and the
        job ends with it.
    detector, interface : str
        As in psana: ``spicam`` and ``raw``.
    data : {"calib", "raw", "image"}
        What of it; modules of ``calib`` and ``raw`` lie on top of each other.
    constants : {"none", "cache", "database"}
        Calibration constants and geometry: none, those in psana's cache in
        ``/dev/shm``, or SLAC's database, which needs the network.
    use_mask : bool
        Use psana's mask of bad pixels, which needs constants. Runs only.
    stacked_modules : int
        Modules that lie on top of each other in a stream's frames, for
        ``area.modules``; runs know it.
    timeout_s : float
        Longest wait for psana to start, to open a run, or to read an event of it.
    growth_timeout_s : int
        How long a run that is being written may stand still, or not yet be there.
    buffer_shots : int
        Shots of a stream that wait for a worker. Then the oldest of a shared memory
        are lost, and counted; a growing run waits.
    trouble_after_s : float
        Silence of a stream after which the monitor says so.
    restart_after_s : float
        Silence of a shared memory after which psana is started again; every further
        time it is twice as long, up to 160 s.
    end_with_run : bool
        End with the shared memory's run, if psana says so; otherwise go on with the
        next one.
    idle_end_s : float or None
        A worker ends after so long without a shot of a shared memory; never by default.
    show_messages : bool
        Let through to the terminal what psana itself prints.
    """

    kind: Literal["psana"]
    exp: str | None = Field(default=None, min_length=1)
    run: int | None = Field(default=None, ge=0, le=9999)
    dir: FileName | None = None
    files: FileNames | None = None
    shmem: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+$")
    live: bool = False
    detector: str = Field(min_length=1)
    interface: str = Field(default="raw", min_length=1)
    data: Data = "calib"
    constants: Constants = "none"
    use_mask: bool = False
    stacked_modules: int = Field(default=1, ge=1)
    timeout_s: float = Field(default=120.0, gt=0)
    growth_timeout_s: int = Field(default=60, ge=1)
    buffer_shots: int = Field(default=64, ge=1)
    trouble_after_s: float = Field(default=4.0, gt=0)
    restart_after_s: float = Field(default=20.0, gt=0)
    end_with_run: bool = False
    idle_end_s: float | None = Field(default=None, gt=0)
    show_messages: bool = False

    @field_validator("files", mode="before")
    @classmethod
    def _some_files(cls, value: object) -> object:
        if value == "" or (isinstance(value, list) and not (value and all(value))):
            raise ValueError("names of xtc2 files")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> PsanaSettings:
        ways = [name for name in ("exp", "files", "shmem") if getattr(self, name)]
        if len(ways) != 1:
            found = " and ".join(ways) or "none of them"
            raise ValueError(
                f"exactly one of exp (with run), files and shmem, not {found}"
            )
        if (self.exp is None) != (self.run is None):
            raise ValueError("exp and run together")
        if self.dir is not None and self.exp is None:
            raise ValueError("dir only with exp and run")
        if self.live and self.exp is None:
            raise ValueError("live only with exp and run")
        if self.use_mask and self.is_stream:
            raise ValueError(
                "use_mask only for recorded runs; a stream takes calibration.mask_file"
            )
        return self

    @property
    def is_stream(self) -> bool:
        """Whether events come as they happen."""
        return self.live or self.shmem is not None

    def job(self, worker: int = 0, workers: int = 1) -> Job:
        """Return what psana is to do."""
        files = [self.files] if isinstance(self.files, Path) else self.files or []
        return Job(
            exp=self.exp or "",
            run=self.run or 0,
            folder=str(self.dir or ""),
            files=tuple(map(str, files)),
            shmem=self.shmem or "",
            live=self.live,
            worker=worker,
            workers=workers,
            detector=self.detector,
            interface=self.interface,
            data=self.data,
            constants=self.constants,
            mask=self.use_mask,
            growth_timeout_s=self.growth_timeout_s,
        )

    def open(self, place: ConfigFolder) -> PsanaRun | None:
        """Open a recorded run; None for a stream."""
        if self.is_stream:
            return None
        check_installed()
        return PsanaRun(self.job(), self.show_messages, self.timeout_s)

    def check(self, place: ConfigFolder) -> None:
        """See whether there is psana."""
        check_installed()

    def join(self, share: Share) -> LiveSource:
        """Start psana for a worker's share of a stream."""
        from specklenn.plugin.sources.psana.stream import PsanaStream

        job = self.job(share.worker, share.workers)
        return PsanaStream(
            lambda: PsanaProcess(job, self.show_messages), self, share, SystemClock()
        )

    def modules(self, place: ConfigFolder) -> int:
        """Return how many modules lie on top of each other in a stream's frames."""
        return self.stacked_modules


def check_installed() -> None:
    """See whether there is psana, without importing it.

    Raises
    ------
    MissingPackageError
        If there is none.
    """
    if importlib.util.find_spec("psana") is None:
        raise MissingPackageError(
            "source.kind: psana needs the package psana; install libkrb5-dev of Debian "
            'and pip install "specklenn[psana]"'
        )
