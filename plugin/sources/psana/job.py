"""What psana's own process is told to do."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

Data = Literal["calib", "raw", "image"]
Constants = Literal["none", "cache", "database"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Which events psana reads, and what of them.

    Parameters
    ----------
    exp : str
        Experiment; with a run, or empty.
    folder : str
        Where the run's files are.
    files : tuple of str
        xtc2 files, or none.
    shmem : str
        Tag of a shared memory, or empty.
    live : bool
        The run is still being written.
    worker, workers : int
        Of a run that is being written, every event whose number leaves the rest
        `worker` when divided by `workers`.
    data : {"calib", "raw", "image"}
        Method of the interface.
    constants : {"none", "cache", "database"}
        Where calibration constants come from.
    mask : bool
        Whether psana's mask of bad pixels is wanted.
    growth_timeout_s : int
        How long to wait for a run to grow.
    """

    exp: str = ""
    run: int = 0
    folder: str = ""
    files: tuple[str, ...] = ()
    shmem: str = ""
    live: bool = False
    worker: int = 0
    workers: int = 1
    detector: str
    interface: str
    data: Data
    constants: Constants
    mask: bool
    growth_timeout_s: int = 60

    @property
    def where(self) -> str:
        """What is read, for people."""
        if self.shmem:
            return f"shared memory {self.shmem}"
        if self.files:
            return ", ".join(self.files)
        return f"run {self.run} of {self.exp} in {self.folder}"

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Make it from text."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "files": tuple(fields["files"])})
