"""A file of shots as a person wants to see it: numbers, classes, scores, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.labels import NO_HIT, STANDARD, UNKNOWN
from specklenn.core.table import Table

Picture = npt.NDArray[np.float32]

NO_LABEL = "no label"
SKIPPED = "skipped: "
"""Stand where others have their class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownFile:
    """A file of shots that is open, and how their pictures are had.

    Parameters
    ----------
    path : Path
    kind : str
        What it is, for a person.
    facts : mapping of str to str
        What else is known of it, a line each.
    shots : (N,) int64
        Number of every shot in its run.
    classes : (N,) str
        Class of each, or why it has none; empty where nothing is known of any.
    scores : (N,) float32
        NaN where there is none.
    unit : str
        Of the pixels.
    drawable : (N,) bool
        Of which shots there is a frame.
    read : function of a position in the shots
        Gives the picture, (H, W) float32, NaN where a pixel is bad or there is none.
    versions : Table
        Which model and supports classified them; of no columns where nobody says.
    notes : tuple of str
        What a person must know, sentences.
    """

    path: Path
    kind: str
    facts: Mapping[str, str]
    shots: npt.NDArray[np.int64]
    classes: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float32]
    unit: str
    drawable: npt.NDArray[np.bool_]
    read: Callable[[int], Picture]
    versions: Table = field(default_factory=lambda: Table({}))
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.shots)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that shots have: the standard hits, own ones, then the rest."""
        return tuple(sorted(set(self.classes.tolist()) - {""}, key=_place))


def _place(name: str) -> tuple[int, str]:
    """Return where a class stands among the others."""
    if name in STANDARD[:3]:
        return STANDARD.index(name), name
    last = {NO_HIT: 4, UNKNOWN: 5, NO_LABEL: 6}
    return (7 if name.startswith(SKIPPED) else last.get(name, 3)), name


def shots_in_words(
    shots: npt.NDArray[np.int64], times_ns: npt.NDArray[np.uint64] | None
) -> str:
    """Return how many shots there are, which, and when they were."""
    if not len(shots):
        return "none"
    words = f"{len(shots)}, numbers {shots.min()} to {shots.max()}"
    known = np.zeros(0, np.uint64) if times_ns is None else times_ns[times_ns > 0]
    if not len(known):
        return words
    ends = known[[known.argmin(), known.argmax()]].astype("M8[ns]").astype("M8[s]")
    first, last = (str(time).replace("T", " ") for time in ends)
    return f"{words}, {first} to {last} UTC"
