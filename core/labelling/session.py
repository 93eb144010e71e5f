"""What somebody who labels does, without the screen it is done on.

A desk shows one shot at a time. Windows and terminals call its methods for keys that
are pressed, and draw its `view` and its `picture`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import ConfigError, SpecklennError
from specklenn.core.labelling.active_learning import ActiveLearner
from specklenn.core.labelling.label_file import is_class_name
from specklenn.core.labelling.label_store import LabelStore
from specklenn.core.labelling.pictures import Picture, coarser, fitting_width
from specklenn.core.labels import NO_HIT, UNKNOWN

ALL, UNLABELLED = "all", "unlabelled"
MOST_CLASSES = 8
GUESSES = 20
"""Last labels over which guesses are compared with what the person said."""

COARSEST = 8
IN_ORDER, SEEN_BEFORE = "in the order of the run", "seen before"

Draw = Callable[[int, bool], Picture]
"""Gives the picture of a shot, of the whole frame or of the crop."""


@dataclass(frozen=True)
class SessionView:
    """Everything to show besides the picture.

    Parameters
    ----------
    shot : int
        Number in the run.
    label : str
        Its label, empty for none.
    reason : str
        Why it is shown.
    message : str
        What happened last.
    failed : bool
        Whether that is a problem.
    filter_name : str
        Which shots are walked through.
    place, listed : int
        Which of how many of these the shot is, from 1; 0 if it is none of them.
    counts : dict of label to int
        In the whole run.
    labelled, offered : int
        Shots with a label among those offered.
    guessed, guesses : int
        How often the nearest class was what the person then said.
    frame : str
        Which part of the frame is shown, and how coarse.
    """

    shot: int
    label: str
    reason: str
    message: str
    failed: bool
    filter_name: str
    place: int
    listed: int
    counts: dict[str, int]
    labelled: int
    offered: int
    guessed: int
    guesses: int
    frame: str


class LabelSession:
    """One sitting of labelling.

    Parameters
    ----------
    shots : (N,) int64, increasing
        That are offered.
    book : LabelStore
    classes : sequence of str
        That hits are told apart into, at most 8.
    draw : function
    adviser : ActiveLearner, optional
        That suggests shots, by their position in `shots`; without one they come in
        the order of the run.
    start : str
        Filter to begin with.
    export : function
        Writes what other commands read; returns what it has written.
    """

    def __init__(
        self,
        shots: npt.NDArray[np.int64],
        book: LabelStore,
        classes: Sequence[str],
        draw: Draw,
        adviser: ActiveLearner | None = None,
        start: str = UNLABELLED,
        export: Callable[[], str] = lambda: "nothing to write: see --supports",
    ) -> None:
        self.classes = tuple(classes)
        self.keys = label_keys(classes)
        self._shots = shots
        self._book = book
        self._draw = draw
        self._adviser = adviser
        self._export = export
        self._whole, self._width = True, 1
        self._passed: set[int] = set()
        self._guesses: deque[bool] = deque(maxlen=GUESSES)
        self._message, self._failed, self._reason = "", False, ""
        self._filter = start
        self._trail: list[int] = []
        self._at = -1
        self._begin()

    @property
    def shot(self) -> int:
        """Number of the shot that is shown."""
        return self._trail[self._at]

    def view(self) -> SessionView:
        """Return what to show besides the picture."""
        listed = self._listed()
        place = int(np.searchsorted(listed, self.shot))
        inside = place < len(listed) and listed[place] == self.shot
        labels = self._labels()
        return SessionView(
            shot=self.shot,
            label=self._book.label_of(self.shot),
            reason=self._reason,
            message=self._message,
            failed=self._failed,
            filter_name=self._filter,
            place=place + 1 if inside else 0,
            listed=len(listed),
            counts=self._book.counts((*self.classes, NO_HIT, UNKNOWN)),
            labelled=int((labels != "").sum()),
            offered=len(labels),
            guessed=sum(self._guesses),
            guesses=len(self._guesses),
            frame=self._frame_words(),
        )

    def picture(self, most: int) -> Picture:
        """Return the picture of the shot, photons, with at most so many pixels a side.

        Pixels are added up where there would be more.
        """
        picture = self._draw(self.shot, self._whole)
        return coarser(picture, max(self._width, fitting_width(picture.shape, most)))

    def examples(self, label: str, most: int) -> list[int]:
        """Return the shots that got a label last, the latest first."""
        own = [shot for shot, name in self._book.labels.items() if name == label]
        return own[::-1][:most]

    def example_picture(self, shot: int, most: int) -> Picture:
        """Return the picture of any shot as the network sees it, with few pixels."""
        picture = self._draw(shot, False)
        return coarser(picture, fitting_width(picture.shape, most))

    def label(self, label: str) -> None:
        """Label the shot and go on."""
        shot, guess = self.shot, self._guess()
        again = self._book.label_of(shot) != ""
        self._try(
            lambda: self._book.set(shot, label), f"shot {shot}: {label or 'no label'}"
        )
        if guess and not again and label in self.classes:
            self._guesses.append(guess == label)
        if label:
            self._go_on()

    def clear(self) -> None:
        """Take the shot's label away."""
        if self._book.label_of(self.shot):
            self.label("")
        else:
            self._say(f"shot {self.shot} has no label")

    def undo(self) -> None:
        """Take the last label back and show its shot."""
        shots: list[int | None] = []
        self._try(lambda: shots.append(self._book.undo()), "")
        shot = shots[0] if shots else None
        if shot is None:
            if not self._failed:
                self._say("nothing to undo")
            return
        self._show(shot, SEEN_BEFORE)
        before = self._book.label_of(shot) or "no label"
        self._say(f"undone: shot {shot} has {before} again")

    def forward(self) -> None:
        """Show the next shot; one without a label is passed by."""
        self._say("")
        if not self._book.label_of(self.shot):
            self._passed.add(self.shot)
        self._go_on()

    def back(self) -> None:
        """Show the shot before."""
        self._say("")
        if self._at > 0:
            self._at, self._reason = self._at - 1, SEEN_BEFORE
            return
        listed = self._listed()
        before = listed[listed < self.shot]
        if len(before) == 0:
            self._say("this is the first shot")
            return
        self._trail.insert(0, int(before[-1]))
        self._reason = IN_ORDER

    def suggest(self) -> None:
        """Show the most informative shot."""
        self._say("")
        if self._adviser is None:
            self._say("nothing is suggested with --order file")
        elif not self._show_suggestion():
            self._say("every shot offered has a label or was passed by")

    def next_filter(self) -> None:
        """Walk through other shots: all, those without a label, those of a class."""
        present = [name for name, n in self.view().counts.items() if n]
        names = [UNLABELLED, ALL, *present]
        at = names.index(self._filter) if self._filter in names else -1
        self._filter = names[(at + 1) % len(names)]
        self._begin()
        self._say(f"now: {self._filter}")

    def toggle_frame(self) -> None:
        """Show the whole frame, or what the network sees of it."""
        self._whole = not self._whole
        self._say("")

    def toggle_coarse(self) -> None:
        """Add up the photons of more pixels, up to 8 x 8, or of none again."""
        self._width = 1 if self._width == COARSEST else 2 * self._width
        self._say("")

    def export(self) -> None:
        """Write supports and training data now."""
        words: list[str] = []
        self._try(lambda: words.append(self._export()), "")
        if words:
            self._say(words[0])

    def save(self) -> None:
        """Write the labels once more, in case the last time failed.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        self._book.save()

    def _begin(self) -> None:
        """Start where the filter begins; a filter without shots shows all."""
        if len(self._listed()) == 0:
            self._say(f"no shot is {self._filter}; all are shown")
            self._filter = ALL
        self._trail, self._at = [], -1
        if self._suggests() and self._show_suggestion():
            return
        self._show(int(self._listed()[0]), IN_ORDER)

    def _go_on(self) -> None:
        """Show the shot after this one: seen before, suggested, or next in the run."""
        if self._at + 1 < len(self._trail):
            self._at, self._reason = self._at + 1, SEEN_BEFORE
        elif self._suggests():
            if not self._show_suggestion():
                self._say("every shot offered has a label or was passed by")
        else:
            listed = self._listed()
            behind = listed[listed > self.shot]
            if len(behind):
                self._show(int(behind[0]), IN_ORDER)
            else:
                self._say(f"{self._message}; this was the last shot".lstrip("; "))

    def _suggests(self) -> bool:
        """Whether suggestions are walked through: not the shots of one class."""
        return self._adviser is not None and self._filter in (ALL, UNLABELLED)

    def _show_suggestion(self) -> bool:
        if self._adviser is None:
            return False
        passed = np.isin(self._shots, list(self._passed))
        found = self._adviser.suggest(self._labels(), passed)
        if found is None:
            return False
        self._show(int(self._shots[found.position]), found.reason)
        return True

    def _show(self, shot: int, reason: str) -> None:
        """Go to a shot; the way there can be gone back."""
        if not self._trail or self.shot != shot:
            self._trail = [*self._trail[: self._at + 1], shot]
            self._at = len(self._trail) - 1
        self._reason = reason

    def _guess(self) -> str:
        if self._adviser is None:
            return ""
        position = int(np.searchsorted(self._shots, self.shot))
        return self._adviser.guess(position, self._labels())

    def _labels(self) -> npt.NDArray[np.str_]:
        return np.array([self._book.label_of(int(shot)) for shot in self._shots])

    def _listed(self) -> npt.NDArray[np.int64]:
        """Return the shots that pass the filter."""
        if self._filter == ALL:
            return self._shots
        wanted = "" if self._filter == UNLABELLED else self._filter
        listed: npt.NDArray[np.int64] = self._shots[self._labels() == wanted]
        return listed

    def _frame_words(self) -> str:
        part = "whole frame" if self._whole else "what the network sees"
        return part if self._width == 1 else f"{part}, {self._width} x {self._width}"

    def _try(self, do: Callable[[], object], done: str) -> None:
        """Do something that may fail; what was wrong becomes the message."""
        try:
            do()
        except SpecklennError as error:
            self._message, self._failed = str(error), True
        else:
            self._say(done)

    def _say(self, words: str) -> None:
        self._message, self._failed = words, False


def label_keys(classes: Sequence[str]) -> dict[str, str]:
    """Return which digit gives which label: 0 no-hit, 1 to 8 the classes, 9 unknown.

    Raises
    ------
    ConfigError
        If there are too many classes, one stands twice, or one has no proper name.
    """
    problems = [
        f"--classes: {name!r} found, a name of letters, digits and _ +.- expected, "
        "not of digits alone"
        for name in classes
        if not is_class_name(name)
    ]
    if not 1 <= len(classes) <= MOST_CLASSES or len(set(classes)) < len(classes):
        problems.append(
            f"--classes: {', '.join(classes)} found, 1 to {MOST_CLASSES} different "
            "classes expected"
        )
    if reserved := {NO_HIT, UNKNOWN}.intersection(classes):
        problems.append(f"--classes: {' and '.join(sorted(reserved))} are always there")
    if problems:
        raise ConfigError(*problems)
    numbered = {str(number): name for number, name in enumerate(classes, 1)}
    return {**numbered, "0": NO_HIT, "9": UNKNOWN}
