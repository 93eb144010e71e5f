"""Frames of one detector as psana gives them, in psana's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.messages import Kind, Message

NOT_METHODS = ("config",)
"""What an interface has besides frames."""


class FrameReader:
    """Reads a detector's frames in one run.

    Parameters
    ----------
    run : psana's run
    where : str
        The run, for people.

    Raises
    ------
    DataError
        If the run has no such detector, interface or data; says what it has.
    """

    def __init__(self, run: Any, job: Job, where: str) -> None:
        self._check_name(run, job, where)
        if job.constants == "cache" and not run.dsparms.calibconst:
            raise DataError(
                f"source.constants: no constants for {where} in psana's cache, "
                "/dev/shm/calibconst.pkl"
            )
        detector = run.Detector(job.detector)
        self._interface = getattr(detector, job.interface)
        self._read = getattr(self._interface, job.data)
        self._job = job
        self.modules = 1

    def _check_name(self, run: Any, job: Job, where: str) -> None:
        interfaces = {
            face: data
            for (name, face), data in run.detinfo.items()
            if name == job.detector
        }
        if not interfaces:
            raise DataError(
                f"source.detector: no detector {job.detector!r} in {where}; detectors "
                f"found: {_listed(run.detnames)}"
            )
        if job.interface not in interfaces:
            raise DataError(
                f"source.interface: {job.detector} has no interface "
                f"{job.interface!r} in {where}; found: {_listed(interfaces)}"
            )
        found = interfaces[job.interface]
        if isinstance(found, list) and job.data not in found:
            methods = [name for name in found if name not in NOT_METHODS]
            raise DataError(
                f"source.data: {job.detector}.{job.interface} has no {job.data!r} in "
                f"{where}; found: {_listed(methods)}"
            )

    def frame(self, event: Any) -> npt.NDArray[Any] | None:
        """Return a frame (H, W), modules on top of each other; None if it is missing.

        psana gives none where a segment of the detector is missing, or its constants.
        """
        data = self._read(event)
        if data is None:
            return None
        data = np.asarray(data)
        self.modules = data.shape[0] if data.ndim == 3 else 1
        return data.reshape(-1, data.shape[-1] if data.ndim else 1)

    def message(self, stamp: int, read_event: Callable[[], Any]) -> Message:
        """Return an event's frame, or why there is none, as a message."""
        try:
            frame = self.frame(read_event())
        except Exception as error:
            reason = " ".join(str(error).split()) or repr(error)
            return Message(kind=Kind.LOST, stamp=stamp, text=reason)
        if frame is None:
            return Message(kind=Kind.LOST, stamp=stamp, text="a segment is missing")
        return Message(kind=Kind.SHOT, stamp=stamp, frame=frame)

    def mask(self, event: Any) -> npt.NDArray[np.uint8]:
        """Return psana's mask (H, W), 1 where bad.

        Raises
        ------
        DataError
            If psana has none.
        """
        good = self._interface._mask()
        if good is not None and self._job.data == "image":
            good = self._interface.image(event, nda=good)
        if good is None:
            raise DataError(
                f"source.use_mask: psana has no mask for {self._job.detector} with "
                f"source.constants: {self._job.constants}"
            )
        bad: npt.NDArray[np.uint8] = (np.asarray(good) == 0).astype(np.uint8)
        return bad.reshape(-1, bad.shape[-1])


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
