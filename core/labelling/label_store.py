"""The labels of one run while people label it: every change is on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from specklenn.core.labelling.data_identity import LabelledData
from specklenn.core.labelling.label_codes import code_of
from specklenn.core.labelling.label_file import Labels, read_labels, write_labels
from specklenn.core.labels import AUTHORS_CODES


class LabelStore:
    """Labels by shot, in the order in which they were given.

    Labels in files that exist are read first. Where psocake's file disagrees with
    ours, the one that was written last is right; what only one of them knows is kept.
    If somebody else changed our file meanwhile, both sets of changes are kept; for a
    shot that both labelled, the label given here is.

    Parameters
    ----------
    path : Path
        JSON file of names.
    data : LabelledData
        What is labelled.
    psocake_path : Path, optional
        psocake's file of the same labels.
    codes : dict of code to label
        What psocake's codes mean.

    Attributes
    ----------
    notes : tuple of str
        What a user should know of the files that were read.

    Raises
    ------
    DataError
        If a file that exists is of other data or cannot be read; names every problem
        in it.
    """

    def __init__(
        self,
        path: Path,
        data: LabelledData,
        psocake_path: Path | None = None,
        codes: Mapping[str, str] = AUTHORS_CODES,
    ) -> None:
        self.path = path
        self.psocake_path = psocake_path
        self.notes: tuple[str, ...] = ()
        self._data = data
        self._codes = codes
        self._history: list[tuple[int, str]] = []
        self._changed: Labels = {}
        self._labels: Labels = {}
        self._seen = _stamp(path)
        known_origin = self._read_ours()
        if psocake_path is not None and psocake_path.exists():
            self._read_psocakes(psocake_path, known_origin)

    def _read_ours(self) -> bool:
        """Read our file, if it is there; returns whether it says what it belongs to."""
        if not self.path.exists():
            return False
        found = read_labels(self.path, self._data, self._codes)
        self._labels = found.labels
        self._note(found.note)
        return found.belongs_to is not None

    def _read_psocakes(self, path: Path, known_origin: bool) -> None:
        found = read_labels(path, self._data, self._codes)
        if not known_origin:
            self._note(found.note)
        # Earlier versions wrote both with a table that the authors do not have.
        trusted = known_origin or not self._labels
        newer = trusted and _stamp(path)[0] > self._seen[0]
        self._labels = merged(self._labels, found.labels, newer, self._codes)

    def _note(self, note: str) -> None:
        if note:
            self.notes = (*self.notes, note)

    @property
    def labels(self) -> Mapping[int, str]:
        """Label of each labelled shot, those given last at the end."""
        return self._labels

    def label_of(self, shot: int) -> str:
        """Return the label of a shot, empty for none."""
        return self._labels.get(shot, "")

    def set(self, shot: int, label: str) -> None:
        """Label a shot and save; an empty label takes its label away.

        Raises
        ------
        DataError
            If it cannot be saved; it is remembered, and saved with the next one.
        """
        self._history.append((shot, self.label_of(shot)))
        self._put(shot, label)
        self.save()

    def undo(self) -> int | None:
        """Take the last change of this sitting back; returns its shot, or None.

        Raises
        ------
        DataError
            As for `set`.
        """
        if not self._history:
            return None
        shot, before = self._history.pop()
        self._put(shot, before)
        self.save()
        return shot

    def counts(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return how many shots have each label: these names first, then others."""
        counts = dict.fromkeys(names, 0)
        for label in self._labels.values():
            counts[label] = counts.get(label, 0) + 1
        return counts

    def save(self) -> None:
        """Write the files, with what others have written meanwhile.

        Raises
        ------
        DataError
            If a file cannot be written, or what others wrote cannot be read.
        """
        if _stamp(self.path) != self._seen and self.path.exists():
            self._labels = read_labels(self.path, self._data, self._codes).labels
            for shot, label in self._changed.items():
                self._place(shot, label)
        write_labels(
            self.path,
            self._labels,
            self._data.identity,
            self.psocake_path,
            self._codes,
        )
        self._seen = _stamp(self.path)

    def _put(self, shot: int, label: str) -> None:
        self._changed[shot] = label
        self._place(shot, label)

    def _place(self, shot: int, label: str) -> None:
        self._labels.pop(shot, None)
        if label:
            self._labels[shot] = label


def merged(
    ours: Labels,
    theirs: Labels,
    theirs_newer: bool,
    codes: Mapping[str, str] = AUTHORS_CODES,
) -> Labels:
    """Join our labels by name with psocake's, which have codes for some names only.

    Where the two disagree, the newer ones are kept.
    """
    joined = dict(ours)
    for shot, label in theirs.items():
        known = shot in ours
        differs = known and code_of(ours[shot], codes) != code_of(label, codes)
        if not known or (differs and theirs_newer):
            joined[shot] = label
    return joined


def _stamp(path: Path) -> tuple[int, int]:
    """Return time (ns) and number of a file; it is replaced at every change."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
