"""A file that is being written, looked at again and again.

Two kinds of writers are followed. One writes in HDF5's single-writer mode: the file
stays open here and is refreshed. The other closes the file and opens it again for more:
then it is opened anew whenever it has changed. No lock is kept, since such a writer is
refused a file that a reader has locked; instead it is seen before and after reading
that nobody writes.
"""

from __future__ import annotations

import fcntl
import math
import os
import time
from pathlib import Path

from specklenn.core.data.hdf5_file import has_writer, reason
from specklenn.core.data.labelled_dataset import DatasetNames, LabelledDataset
from specklenn.core.errors import DataError

TICK_S = 1.0
"""A file that changed so short before it was looked at may change unseen."""

HALF_WRITTEN = (OSError, RuntimeError, ValueError, KeyError)
"""What HDF5 raises of a file that is changed while it is read."""

State = tuple[int, int, int]


class WriterBusyError(Exception):
    """The writer has the file open right now, or had while it was read."""


class GrowingFile:
    """One file that is followed.

    Parameters
    ----------
    path : Path
        It need not be there yet.
    names : DatasetNames

    Attributes
    ----------
    shots, room : int
        Shots that were whole at the last look, and those that there was room for.
    was_closed : bool
        Whether a writer whose file others could read has closed it since.
    changed_s : float
        When it was last written, Unix epoch, seconds.
    problem : str
        Why it could not be looked at last, a sentence; empty if it could.
    """

    def __init__(self, path: Path, names: DatasetNames) -> None:
        self.path = path
        self.shots = self.room = 0
        self.problem = ""
        self.was_closed = False
        self.changed_s = math.inf
        self._names = names
        self._opened: LabelledDataset | None = None
        self._opened_at: State | None = None
        self._looked_at: State | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def being_written(self) -> bool:
        """Whether a writer has it open, or died with it open, by what it says itself.

        False where its format does not tell.
        """
        return has_writer(self.path)

    def look(self, *, to_the_end: bool = False) -> int:
        """Return how many shots are whole by now; as before if it cannot be read now.

        Parameters
        ----------
        to_the_end : bool
            Nothing more will be written.

        Raises
        ------
        DataError
            If it is gone, is another file, or has fewer shots than before.
        """
        state = self._state()
        if state is None or (self._is_known(state) and not to_the_end):
            return self.shots
        began_s = time.time()
        self.changed_s = state[2] / 1e9
        shared = self._is_shared
        try:
            opened = self._open()
            shots = opened.look(self.shots, to_the_end=to_the_end)
            self.check_unchanged()
        except (WriterBusyError, *HALF_WRITTEN) as error:
            self.close()
            self.problem = str(error)
            return self.shots
        self.problem = ""
        if shots < self.shots and opened.virtual:  # one of its files cannot be read now
            self.problem = f"{self.path}: only {shots} shots can be read just now"
            return self.shots
        if shots < self.shots:
            raise DataError(
                f"{self.path}: {shots} shots found where {self.shots} were before: it "
                "was cut or begun anew while it was followed"
            )
        self.shots, self.room = shots, opened.room
        self.was_closed |= shared and not self._is_shared
        quiet = began_s - self.changed_s > TICK_S
        self._looked_at = state if quiet else None
        return shots

    def get(self) -> LabelledDataset:
        """Return the file, open, with all shots that `look` told.

        Raises
        ------
        WriterBusyError
            If it cannot be opened just now.
        DataError
            If it is gone or is another file.
        """
        state = self._state()
        if self._opened is None or self._is_other(state):
            try:
                self._open().look(self.shots, to_the_end=True)
            except HALF_WRITTEN as error:
                self.close()
                raise WriterBusyError(str(error)) from error
        assert self._opened is not None
        if len(self._opened) < self.shots:
            self.close()
            raise WriterBusyError(f"{self.path}: fewer than {self.shots} shots seen")
        return self._opened

    def check_unchanged(self) -> None:
        """Refuse what was read while the file was written, but for single-writer mode.

        Raises
        ------
        WriterBusyError
        """
        if self._is_other(self._state()):
            raise WriterBusyError(f"{self.path}: written while it was read")

    def close(self) -> None:
        """Close it."""
        if self._opened is not None:
            self._opened.close()
        self._opened = self._opened_at = None

    @property
    def _is_shared(self) -> bool:
        """Whether it is open in single-writer mode, where it can be refreshed."""
        opened = self._opened
        return opened is not None and opened.growing and not opened.virtual

    def _is_other(self, state: State | None) -> bool:
        """Whether what is open here shows the file as it was, not as it is."""
        return not self._is_shared and state != self._opened_at

    def _is_known(self, state: State) -> bool:
        """Whether nothing can have come since the last look."""
        virtual = self._opened is not None and self._opened.virtual
        return not (self._is_shared or virtual) and state == self._looked_at

    def _open(self) -> LabelledDataset:
        """Open it anew, unless it is open in a way in which it can be refreshed."""
        writing = has_writer(self.path)
        if self._opened is not None and self._is_shared and writing:
            return self._opened
        self.close()
        if not writing:
            _refuse_if_locked(self.path)
        self._opened_at = self._state()
        self._opened = LabelledDataset(self.path, self._names, followed=True)
        return self._opened

    def _state(self) -> State | None:
        """Return what changes when the file does; None while there is none.

        Raises
        ------
        DataError
            If it is gone, or another file.
        """
        try:
            found = os.stat(self.path)
        except OSError as error:
            self.problem = f"{self.path}: {reason(error)}"
            if self._identity is not None:
                raise DataError(
                    f"{self.problem}: it was there before, with {self.shots} shots"
                ) from error
            return None
        identity = found.st_dev, found.st_ino
        if self._identity not in (None, identity):
            raise DataError(
                f"{self.path}: another file came in its place while it was followed, "
                f"{self.shots} shots of the first one were seen"
            )
        self._identity = identity
        return found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_if_locked(path: Path) -> None:
    """Refuse a file that a writer has locked.

    A lock of our own is held for microseconds: a writer that opens the file just then
    is refused, which a lock as long as we read would make likely.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return  # who opens it says why
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WriterBusyError(f"{path}: its writer has it open") from None
    except OSError:
        return  # no locks here
    finally:
        os.close(descriptor)
