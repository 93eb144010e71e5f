"""Which shots of a file are shown, and their contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.core.reports.contact_sheet import (
    PHOTONS,
    Scale,
    SheetRow,
    draw_contact_sheet,
)
from specklenn.core.reports.shown_file import Picture, ShownFile

COLUMNS = 8
"""Pictures beside each other; of each class where nothing else is asked for."""

MOST_PICTURES = 400
"""On one sheet."""

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which shots are shown.

    Parameters
    ----------
    events : sequence of int
        Shot numbers, in this order; none for some of each class.
    classes : sequence of str
        Only these; none for all.
    best : int or None
        So many of each class, those with the highest scores.
    """

    events: Sequence[int] = ()
    classes: Sequence[str] = ()
    best: int | None = None

    @property
    def words(self) -> str:
        """What is shown, for the title of a sheet."""
        of = f" of {', '.join(self.classes)}" if self.classes else ""
        if self.best is not None:
            return f"best {self.best}{of or ' of each class'} by score"
        return f"chosen shots{of}" if self.events else f"examples{of}"


def choose(shown: ShownFile, choice: Choice) -> Positions:
    """Return the positions of the shots to show, by class or as they were asked for.

    Raises
    ------
    DataError
        If there is no such shot, none of them has a frame, or they are too many.
    """
    positions = _named(shown, choice.events)
    if choice.classes:
        _check_classes(shown, choice.classes)
        positions = positions[np.isin(shown.classes[positions], choice.classes)]
    if choice.best is not None:
        positions = _best(shown, positions, choice.best)
    there = positions[shown.drawable[positions]]
    if not len(there):
        what = (
            f"none of {len(positions)} shots has" if len(positions) else "no shot has"
        )
        raise DataError(f"{shown.path}: {what} a frame to draw ({choice.words})")
    if not choice.events and choice.best is None:
        there = _spread(shown, there)
    if len(there) > MOST_PICTURES:
        raise DataError(
            f"{len(there)} pictures asked for, at most {MOST_PICTURES} on one sheet "
            "expected"
        )
    return there


def _named(shown: ShownFile, events: Sequence[int]) -> Positions:
    """Return where shots of these numbers are, all of them for none."""
    if not events:
        return np.arange(len(shown))
    position_of = {int(shot): place for place, shot in enumerate(shown.shots)}
    missing = [event for event in events if event not in position_of]
    if missing:
        known = f"{shown.shots.min()} to {shown.shots.max()}" if len(shown) else "none"
        named = ", ".join(map(str, missing[:5])) + ", ..." * (len(missing) > 5)
        raise DataError(
            f"{shown.path}: no shots {named}; {len(shown)} are there, numbers {known}"
        )
    return np.array([position_of[event] for event in events])


def _check_classes(shown: ShownFile, classes: Sequence[str]) -> None:
    unknown = [name for name in classes if name not in shown.class_names]
    if unknown:
        known = ", ".join(shown.class_names) or "none, it has no labels"
        raise DataError(
            f"{shown.path}: no shot of {', '.join(unknown)}; classes found: {known}"
        )


def _best(shown: ShownFile, positions: Positions, number: int) -> Positions:
    """Return the shots with the highest scores of each class, best first."""
    scored = positions[~np.isnan(shown.scores[positions]) & shown.drawable[positions]]
    if len(positions) and not len(scored):
        raise DataError(f"{shown.path}: no scores by which some shots are best")
    ordered = scored[np.argsort(-shown.scores[scored], kind="stable")]
    return np.concatenate(
        [own[:number] for own in _by_class(shown, ordered).values()] or [ordered]
    )


def _spread(shown: ShownFile, positions: Positions) -> Positions:
    """Return some shots of each class from all over the run."""
    parts = []
    for own in _by_class(shown, positions).values():
        number = min(COLUMNS * (2 if len(shown.class_names) < 2 else 1), len(own))
        parts.append(own[np.linspace(0, len(own) - 1, number).astype(int)])
    return np.concatenate(parts)


def _by_class(shown: ShownFile, positions: Positions) -> dict[str, Positions]:
    """Return the shots of each class, in the order of the classes."""
    of_each = shown.classes[positions]
    parts = {name: positions[of_each == name] for name in (*shown.class_names, "")}
    return {name: own for name, own in parts.items() if len(own)}


def draw_shots(path: Path, shown: ShownFile, choice: Choice) -> str:
    """Draw the shots that are chosen, with captions; returns what was drawn, in words.

    Rows are classes; of shots that were named by their numbers, those in their order.

    Parameters
    ----------
    path : Path
        PNG file to write.
    shown : ShownFile
    choice : Choice

    Raises
    ------
    DataError
        See `choose`, and if the file cannot be written.
    """
    positions = choose(shown, choice)
    groups = {"": positions} if choice.events else _by_class(shown, positions)
    rows = [
        _row(shown, name if first == 0 else "", own[first : first + COLUMNS])
        for name, own in groups.items()
        for first in range(0, len(own), COLUMNS)
    ]
    scale = (
        Scale.of_photons(rows)
        if shown.unit == PHOTONS
        else Scale.of_values(rows, shown.unit)
    )
    title = f"{shown.path.name}: {shown.kind}, {choice.words}"
    draw_contact_sheet(path, rows, None, title, scale)
    shots = "1 shot" if len(positions) == 1 else f"{len(positions)} shots"
    lost = len(choice.events) - len(positions)
    others = choice.events and not choice.classes and choice.best is None and lost
    return f"{shots}, {choice.words}" + f"; {lost} have no frame" * bool(others)


def draw_examples(path: Path, shown: ShownFile, title: str) -> None:
    """Draw some shots of each class, as of a simulation; see `draw_shots`."""
    groups = _by_class(shown, choose(shown, Choice()))
    rows = [
        SheetRow(label=name, patterns=_pictures(shown, own))
        for name, own in groups.items()
    ]
    draw_contact_sheet(path, rows, None, title)


def _row(shown: ShownFile, label: str, positions: Positions) -> SheetRow:
    return SheetRow(
        label=label,
        patterns=_pictures(shown, positions),
        captions=tuple(_caption(shown, position) for position in positions.tolist()),
    )


def _pictures(shown: ShownFile, positions: Positions) -> Picture:
    return np.stack([shown.read(position) for position in positions.tolist()])


def _caption(shown: ShownFile, position: int) -> str:
    """Return number, class and score of a shot, the last two on their own line."""
    score = shown.scores[position]
    words = [shown.classes[position], "" if np.isnan(score) else f"{score:.2f}"]
    return "\n".join(
        line
        for line in (f"shot {shown.shots[position]}", " ".join(filter(None, words)))
        if line
    )
