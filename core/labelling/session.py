"""What somebody who labels does, without the screen it is done on.

A session shows one shot at a time. Windows and terminals call its methods for keys
that are pressed, and draw its `view` and its `picture`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import ConfigError, SpecklennError
from specklenn.core.labelling.label_file import is_class_name
from specklenn.core.labelling.navigation import (
    ALL,
    SEEN_BEFORE,
    UNLABELLED,
    Navigation,
    ShotLabels,
    Suggests,
)
from specklenn.core.labelling.pictures import Picture, coarser, fitting_width
from specklenn.core.labelling.session_view import SessionView
from specklenn.core.labels import ABSTENTIONS, NO_HIT, UNKNOWN

MOST_CLASSES = 8

GUESSES = 20
"""Last labels over which guesses are compared with what the person said."""

COARSEST = 8
NONE_LEFT = "every shot offered has a label or was passed by"

Draw = Callable[[int, bool], Picture]
"""Gives the picture of a shot, of the whole frame or of the crop."""


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
    if reserved := {NO_HIT, *ABSTENTIONS}.intersection(classes):
        problems.append(
            f"--classes: {' and '.join(sorted(reserved))} are no classes of hits"
        )
    if problems:
        raise ConfigError(*problems)
    numbered = {str(number): name for number, name in enumerate(classes, 1)}
    return {**numbered, "0": NO_HIT, "9": UNKNOWN}


class LabelSession:
    """One sitting of labelling.

    Parameters
    ----------
    shots : (N,) int64, increasing
        Shots that are offered.
    store : ShotLabels
    classes : sequence of str
        Classes of hits, at most 8.
    draw : function
    learner : Suggests, optional
        That suggests shots, by their position in `shots`; without one they come in
        the order of the run.
    start : str
        Filter to begin with.
    export : function
        Writes what other commands read; returns what it has written.
    keys : dict of key to label, optional
        Of one letter or digit each; by default those of `label_keys`.
    """

    def __init__(
        self,
        shots: npt.NDArray[np.int64],
        store: ShotLabels,
        classes: Sequence[str],
        draw: Draw,
        learner: Suggests | None = None,
        start: str = UNLABELLED,
        export: Callable[[], str] = lambda: "nothing to write: see --supports",
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.keys = label_keys(classes) if keys is None else dict(keys)
        self._store = store
        self._draw = draw
        self._has_learner = learner is not None
        self._export = export
        self._whole, self._width = True, 1
        self._guesses: deque[bool] = deque(maxlen=GUESSES)
        self._message, self._failed = "", False
        self._navigation = Navigation(shots, store, learner)
        if not self._navigation.start(start):
            self._say(f"no shot is {start}; all are shown")

    @property
    def shot(self) -> int:
        """Number of the shot that is shown."""
        return self._navigation.shot

    def view(self) -> SessionView:
        """Return what to show besides the picture."""
        navigation = self._navigation
        labels = navigation.labels()
        return SessionView(
            shot=self.shot,
            label=self._store.label_of(self.shot),
            reason=navigation.reason,
            message=self._message,
            failed=self._failed,
            filter_name=navigation.filter_name,
            place=navigation.place(),
            listed=len(navigation.listed()),
            counts=self._store.counts(tuple(self.keys.values())),
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
        own = [shot for shot, name in self._store.labels.items() if name == label]
        return own[::-1][:most]

    def example_picture(self, shot: int, most: int) -> Picture:
        """Return the picture of any shot as the network sees it, with few pixels."""
        picture = self._draw(shot, False)
        return coarser(picture, fitting_width(picture.shape, most))

    def label(self, label: str) -> None:
        """Label the shot and go on."""
        shot, guess = self.shot, self._navigation.guess()
        again = self._store.label_of(shot) != ""
        with self._reporting(f"shot {shot}: {label or 'no label'}"):
            self._store.set(shot, label)
        if guess and not again and label in self.classes:
            self._guesses.append(guess == label)
        if label:
            self._go_on()

    def clear(self) -> None:
        """Take the shot's label away."""
        if self._store.label_of(self.shot):
            self.label("")
        else:
            self._say(f"shot {self.shot} has no label")

    def undo(self) -> None:
        """Take the last label back and show its shot."""
        shot = None
        with self._reporting("nothing to undo"):
            shot = self._store.undo()
        if shot is None:
            return
        self._navigation.show(shot, SEEN_BEFORE)
        before = self._store.label_of(shot) or "no label"
        self._say(f"undone: shot {shot} has {before} again")

    def forward(self) -> None:
        """Show the next shot; one without a label is passed by."""
        self._say("")
        if not self._store.label_of(self.shot):
            self._navigation.pass_by()
        self._go_on()

    def back(self) -> None:
        """Show the shot before."""
        self._say("")
        if not self._navigation.back():
            self._say("this is the first shot")

    def suggest(self) -> None:
        """Show the most informative shot."""
        self._say("")
        if not self._has_learner:
            self._say("nothing is suggested with --order file")
        elif not self._navigation.suggest():
            self._say(NONE_LEFT)

    def next_filter(self) -> None:
        """Walk through other shots: all, those without a label, those of a class."""
        present = [name for name, n in self.view().counts.items() if n]
        names = [UNLABELLED, ALL, *present]
        now = self._navigation.filter_name
        at = names.index(now) if now in names else -1
        self._navigation.start(names[(at + 1) % len(names)])
        self._say(f"now: {self._navigation.filter_name}")

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
        with self._reporting():
            self._say(self._export())

    def save(self) -> None:
        """Write the labels once more, in case the last time failed.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        self._store.save()

    def _go_on(self) -> None:
        """Show the shot after this one, or say that there is none."""
        if self._navigation.next():
            return
        if self._navigation.suggests:
            self._say(NONE_LEFT)
        else:
            self._say(f"{self._message}; this was the last shot".lstrip("; "))

    def _frame_words(self) -> str:
        part = "whole frame" if self._whole else "what the network sees"
        return part if self._width == 1 else f"{part}, {self._width} x {self._width}"

    @contextmanager
    def _reporting(self, done: str = "") -> Iterator[None]:
        """Show a message when something is done, or what was wrong."""
        try:
            yield
            if done:
                self._say(done)
        except SpecklennError as error:
            self._message, self._failed = str(error), True

    def _say(self, words: str) -> None:
        self._message, self._failed = words, False
