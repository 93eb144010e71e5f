"""The file of a simulated run: a labelled dataset with everything that is known.

Beside the labelled dataset (`specklenn.core.data.labelled_dataset`) it holds::

    /entry_1/simulation_1/particles          (N,) particles of the sample in the beam
    /entry_1/simulation_1/orientation        (N, k, 4) quaternions (w, x, y, z)
    /entry_1/simulation_1/position_angstrom  (N, k, 3) from the middle of the focus
    /entry_1/simulation_1/fluence            (N, k) photons per square angstrom
    /entry_1/simulation_1/...                the other fields of `truth_dtype`
    /entry_1/simulation_1/shots_written      how many shots are whole
    /entry_1/instrument_1/detector_1/pixel_positions_m  (H, W, 3) or (modules, H, W, 3)
    /entry_1/instrument_1/source_1/energy    joule

The attributes of the file say what it was made from (``task``, JSON) and whether
it is ``complete``.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from specklenn.core.data.dataset_writer import DatasetWriter, open_for_writing, writing
from specklenn.core.data.hdf5_file import open_file
from specklenn.core.data.labelled_dataset import TEXT
from specklenn.core.errors import DataError
from specklenn.core.simulation.simulation_job import SimulationJob
from specklenn.core.simulation.simulator import ShotSimulator, SimulatedShots

CREATOR = "specklenn simulate"
TRUTH = "/entry_1/simulation_1"
PIXELS = "/entry_1/instrument_1/detector_1/pixel_positions_m"
ENERGY = "/entry_1/instrument_1/source_1/energy"
SAFE = f"{TRUTH}/shots_written"
JOULE_PER_EV = 1.602176634e-19

ROOM_BYTES = 1 << 20
BYTES_PER_PIXEL = 13
"""Of a position and a mask."""


class SimulatedFile:
    """Appends simulated shots; a file that was begun goes on where it ends.

    It can be read while it is written.

    Parameters
    ----------
    path : Path
        Begun anew unless it holds shots of the same job.
    job : SimulationJob
    simulator : ShotSimulator
        Simulator of the job.

    Raises
    ------
    DataError
        If the file cannot be written.
    """

    def __init__(
        self, path: Path, job: SimulationJob, simulator: ShotSimulator
    ) -> None:
        self._path = path
        if is_begun(path, job):
            with open_file(path) as file:
                shots = int(file[SAFE][()])
            self._writer = DatasetWriter.reopen(path, shots)
        else:
            self._writer = DatasetWriter(
                path,
                simulator.geometry.shape,
                simulator.pattern_dtype,
                simulator.mask,
                timestamps=job.live_Hz is not None,
            )
            with writing(path):
                self._describe(job, simulator)
        with writing(path):
            self._safe = self._writer.file[SAFE]
            self._writer.let_others_read()
        self._lock = _hold(path)

    def _describe(self, job: SimulationJob, simulator: ShotSimulator) -> None:
        for name, kind, shape in _columns(simulator.dtype):
            self._writer.add_column(f"{TRUTH}/{name}", kind, shape)
        file, detector = self._writer.file, job.experiment.detector
        pixels = detector.pixel_positions_m().astype(np.float32)
        energy = np.float64(detector.photon_energy_eV * JOULE_PER_EV)
        fixed = ((PIXELS, pixels), (ENERGY, energy), (SAFE, np.int64(0)))
        for name, value in fixed:
            # Without the time of its making: the same job gives the same bytes.
            file.create_dataset(name, data=value, track_times=False)
        file.attrs["creator"] = CREATOR
        file.attrs["task"] = job.described
        file.attrs["complete"] = False

    def __len__(self) -> int:
        return len(self._writer)

    def append(
        self, shots: SimulatedShots, timestamps_ns: npt.NDArray[np.uint64] | None = None
    ) -> None:
        """Write shots behind the ones that are there, for readers to see at once."""
        names = [name for name, _, _ in _columns(shots.truth.dtype)]
        with writing(self._path):
            self._writer.append(
                shots.patterns,
                shots.labels,
                shots.names,
                timestamps_ns,
                {f"{TRUTH}/{name}": shots.truth[name] for name in names},
            )
            self._writer.flush()
            # Only now: on a full disk the shots may have a place but no content.
            self._safe[()] = len(self)
            self._writer.flush()

    def close(self, *, complete: bool) -> None:
        """Close the file and say whether it holds all shots of its job."""
        with writing(self._path):
            self._writer.close()
            self._lock.close()
            # Attributes cannot change while others may read.
            with open_for_writing(self._path, "r+") as file:
                file.attrs.modify("complete", np.bool_(complete))


def is_begun(path: Path, job: SimulationJob) -> bool:
    """Return whether a file holds a part of a job to go on with.

    Raises
    ------
    DataError
        If there is a file that ``specklenn simulate`` did not write, which it will
        not replace, or one that another process is writing.
    """
    if not os.path.exists(path):  # also where it may not be looked for
        return False
    if _is_held(path):
        raise DataError(f"{path}: another process is writing it")
    try:
        opened = open_file(path)
    except DataError as error:
        raise DataError(f"{error}; it is not replaced, choose another name") from error
    with opened as file:
        if file.attrs.get("creator") != CREATOR:
            raise DataError(
                f"{path}: exists and was not written by specklenn simulate; it is not "
                "replaced, choose another name"
            )
        same = file.attrs.get("task") == job.described
        return bool(same and job.live_Hz is None and not file.attrs["complete"])


def _hold(path: Path) -> BinaryIO:
    """Lock a file for as long as it is written; readers are not kept out."""
    file = path.open("rb")
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return file


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_room(path: Path, simulator: ShotSimulator) -> None:
    """Refuse a disk that is full already, before an earlier file is replaced.

    HDF5 would leave nothing to go on with, and may crash.

    Raises
    ------
    DataError
        If a file cannot even be begun in this folder.
    """
    needed = ROOM_BYTES + BYTES_PER_PIXEL * simulator.mask.size
    with writing(path), tempfile.TemporaryFile(dir=path.parent) as probe:
        probe.write(bytes(needed))
        probe.flush()


def _columns(
    dtype: np.dtype[np.void],
) -> list[tuple[str, npt.DTypeLike, tuple[int, ...]]]:
    """Return name, type and shape of what is known beside label and name."""
    found: list[tuple[str, npt.DTypeLike, tuple[int, ...]]] = []
    for name in (dtype.names or ())[2:]:
        base, shape = dtype[name].base, dtype[name].shape
        found.append((name, TEXT if base.kind == "U" else base, shape))
    return found
