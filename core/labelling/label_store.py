"""The labels of one run while people label it: every change is on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from specklenn.core.labelling.label_file import (
    Labels,
    psocake_code,
    read_labels,
    write_labels,
)


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
    shots : int
        Shots in the run.
    psocake_path : Path, optional
        psocake's file of the same labels.

    Raises
    ------
    DataError
        If a file that exists cannot be read; names every problem in it.
    """

    def __init__(
        self, path: Path, shots: int, psocake_path: Path | None = None
    ) -> None:
        self.path = path
        self.psocake_path = psocake_path
        self._shots = shots
        self._history: list[tuple[int, str]] = []
        self._changed: Labels = {}
        self._labels: Labels = read_labels(path, shots) if path.exists() else {}
        self._seen = _stamp(path)
        if psocake_path is not None and psocake_path.exists():
            theirs = read_labels(psocake_path, shots)
            newer = _stamp(psocake_path)[0] > self._seen[0]
            self._labels = merged(self._labels, theirs, newer)

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
            self._labels = read_labels(self.path, self._shots)
            for shot, label in self._changed.items():
                self._place(shot, label)
        write_labels(self.path, self._labels, self.psocake_path)
        self._seen = _stamp(self.path)

    def _put(self, shot: int, label: str) -> None:
        self._changed[shot] = label
        self._place(shot, label)

    def _place(self, shot: int, label: str) -> None:
        self._labels.pop(shot, None)
        if label:
            self._labels[shot] = label


def merged(ours: Labels, theirs: Labels, theirs_newer: bool) -> Labels:
    """Join our labels by name with psocake's, which knows four classes only.

    Where the two disagree, the newer ones are kept.
    """
    joined = dict(ours)
    for shot, label in theirs.items():
        known = shot in ours
        differs = known and psocake_code(ours[shot]) != psocake_code(label)
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
