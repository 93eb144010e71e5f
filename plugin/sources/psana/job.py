"""The task of psana's own process."""

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

    The fields are those of `PsanaSettings`, empty where not given, and the share of
    the worker that starts psana.

    Parameters
    ----------
    folder : str
        Where the run's files are.
    worker, workers : int
        Number of the worker and how many there are: of a run that is being written
        it takes every event whose number leaves the rest `worker` when divided by
        `workers`.
    mask : bool
        Whether psana's mask of bad pixels is wanted.
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
