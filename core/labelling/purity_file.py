"""The file of a purity check: every answer is on disk before the next shot is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.labelling.active_learning import Suggestion
from specklenn.core.labelling.purity_check import KEYS, CheckedShot, PurityCheck
from specklenn.core.rows import NO_CLASS, Rows

SAME_SCORE = 1e-3
"""Scores that differ by less are the same."""


def read_check(path: Path) -> PurityCheck:
    """Read a check.

    Raises
    ------
    DataError
        If the file cannot be read or is no check.
    """
    try:
        return PurityCheck.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise DataError(
            f"{path}: no purity check: {where}: {first['msg'].lower()}"
        ) from error


def same_draw(
    path: Path, check: PurityCheck, rows: Rows, classes: tuple[str, ...]
) -> None:
    """Refuse a check of other results, told by the labels and scores of its shots.

    Raises
    ------
    ConfigError
        If one differs; names it.
    """
    places = {int(shot): place for place, shot in enumerate(rows["index"])}
    for one in check.shots:
        place = places.get(one.shot)
        found = "no row" if place is None else _label(rows[place], classes)
        same = found == one.label
        if place is not None and one.score is not None:
            same &= bool(abs(rows["score"][place] - one.score) < SAME_SCORE)
        if not same:
            raise ConfigError(
                f"{path}: answers on other results: shot {one.shot} was {one.label} "
                f"there, {found} is in {check.results}, or with another score; "
                "--answers FILE names another file"
            )


def _label(row: np.void, classes: tuple[str, ...]) -> str:
    return "skipped" if row["label"] == NO_CLASS else classes[row["label"]]


class PurityStore:
    """The answers of a check while somebody gives them, as a session of labels keeps.

    Parameters
    ----------
    path : Path
    check : PurityCheck
        With the answers so far.
    """

    def __init__(self, path: Path, check: PurityCheck) -> None:
        self._path = path
        self._check = check
        self._answers: dict[int, str] = {one.shot: one.answer for one in check.shots}
        self._given = [one.shot for one in check.shots if one.answer]
        self._history: list[tuple[int, str]] = []

    @property
    def check(self) -> PurityCheck:
        """The check with the answers of now."""
        shots = tuple(
            CheckedShot.model_validate(
                one.model_dump() | {"answer": self._answers[one.shot]}
            )
            for one in self._check.shots
        )
        return self._check.model_copy(update={"shots": shots})

    @property
    def labels(self) -> Mapping[int, str]:
        """Answer of each shot that has one, those given last at the end."""
        return {shot: self._answers[shot] for shot in self._given}

    def label_of(self, shot: int) -> str:
        """Return the answer for a shot, empty for none."""
        return self._answers[shot]

    def set(self, shot: int, label: str) -> None:
        """Keep an answer and save; an empty one takes it away.

        Raises
        ------
        DataError
            If it cannot be saved.
        """
        self._history.append((shot, self._answers[shot]))
        self._put(shot, label)

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
        return shot

    def counts(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return how many shots have each answer."""
        given = list(self.labels.values())
        return {name: given.count(name) for name in names}

    def save(self) -> None:
        """Write the file, replaced as a whole.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        content = self.check.model_dump(mode="json")
        with replacing(self._path) as (part,):
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def _put(self, shot: int, label: str) -> None:
        self._answers[shot] = label
        self._given = [other for other in self._given if other != shot]
        if label:
            self._given.append(shot)
        self.save()


class DrawnOrder:
    """Shows the shots of a check in the order in which they were drawn.

    Parameters
    ----------
    check : PurityCheck
    """

    def __init__(self, check: PurityCheck) -> None:
        drawn = [one.shot for one in check.shots]
        self._order = np.searchsorted(np.sort(drawn), drawn)
        answers = ", ".join(f"{key} {name}" for key, name in KEYS.items())
        self._question = f"Is this {check.checked_class}? {answers}"

    def suggest(
        self, labels: npt.NDArray[np.str_], passed: npt.NDArray[np.bool_]
    ) -> Suggestion | None:
        """Return the next shot without an answer; None when all have one."""
        for position in self._order:
            if labels[position] == "" and not passed[position]:
                return Suggestion(int(position), self._question)
        return None

    def guess(self, position: int, labels: npt.NDArray[np.str_]) -> str:
        """Nothing: whoever checks is not to be swayed."""
        return ""
