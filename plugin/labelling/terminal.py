"""Labelling in a terminal, as over ssh: half blocks for pixels, single keys.

Keys may also come through a pipe; then they are taken to the end. Where the output is
no terminal, every key leaves a line of text.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.text import Text

from specklenn.core.labelling.pictures import SCALES
from specklenn.core.labelling.session import LabelSession
from specklenn.core.labelling.session_view import SessionView
from specklenn.plugin.labelling.terminal_picture import in_colours, in_letters
from specklenn.plugin.say import folded

SMALLEST_SIDE = 16
ESCAPE = "\x1b"
ESCAPE_WAIT_S = 0.05
ARROWS = {"[C": "right", "OC": "right", "[D": "left", "OD": "left"}
LEAVE = "q"
HINT = "space next   left back   s suggest   u undo   f filter   h help   q leave"
HELP = """\
space, right  next shot, without a label        left  the one before
s  most informative shot     u  undo     x  take the label away
f  which shots: unlabelled, all, a class        w  write supports, training data
c  whole frame, or what the network sees        b  coarser pixels
l  log, sqrt, linear         q  leave           h  this list, or the picture"""


def run(session: LabelSession, title: str, keys: TextIO, screen: TextIO) -> int:
    """Label until somebody leaves, or the keys end; returns the exit code.

    Parameters
    ----------
    title : str
        Name of the run.
    """
    console = Console(file=screen, highlight=False)
    terminal = LabelTerminal(session, title)
    with _single_keys(keys), _interruptible():
        if console.is_terminal:
            with console.screen() as drawn:
                for _ in terminal.pressed(read_keys(keys)):
                    drawn.update(terminal.drawn(console))
        else:
            for _ in terminal.pressed(read_keys(keys)):
                print(folded(terminal.line(), screen), file=screen, flush=True)
    return 0


class LabelTerminal:
    """A labelling session as text.

    Parameters
    ----------
    title : str
        Name of the run.
    """

    def __init__(self, session: LabelSession, title: str) -> None:
        self._session = session
        self._title = title
        self._scale = next(iter(SCALES))
        self._help = False
        self._commands: dict[str, Callable[[], None]] = {
            **dict.fromkeys((" ", "n", "right"), session.forward),
            **dict.fromkeys(("p", "left"), session.back),
            **dict.fromkeys(("h", "?"), self._toggle_help),
            "s": session.suggest,
            "u": session.undo,
            "x": session.clear,
            "f": session.next_filter,
            "c": session.toggle_frame,
            "b": session.toggle_coarse,
            "w": session.export,
            "l": self._next_scale,
        }

    def pressed(self, keys: Iterator[str]) -> Iterator[None]:
        """Do what the keys stand for; yield at first, and after each, to draw."""
        yield
        for key in keys:
            if not self.press(key):
                return
            yield

    def press(self, key: str) -> bool:
        """Do what a key stands for; returns whether to go on. Others do nothing."""
        key = key.lower()
        if key == LEAVE:
            return False
        if key in self._session.keys:
            self._session.label(self._session.keys[key])
        elif key in self._commands:
            self._commands[key]()
        return True

    def line(self) -> str:
        """Return where we are in one line."""
        view = self._session.view()
        parts = [
            view.message,
            f"shot {view.shot}: {view.label or 'no label'}",
            view.reason,
            f"{view.labelled} of {view.offered} labelled",
        ]
        return " | ".join(filter(None, parts))

    def drawn(self, console: Console) -> Group:
        """Return the whole screen."""
        words = Group(*self._words(self._session.view()), Text(HINT, "dim"))
        if self._help:
            return Group(Text(HELP), Text(), words)
        lines = console.height - len(console.render_lines(words))
        side = max(SMALLEST_SIDE, min(console.width, 2 * lines))
        draw = in_colours if console.color_system else in_letters
        return Group(draw(self._session.picture(side), self._scale), words)

    def _words(self, view: SessionView) -> list[Text]:
        label = Text(view.label or "no label", "bold reverse" if view.label else "dim")
        first = Text.assemble((f"{self._title}  shot {view.shot}  ", "bold"), label)
        seen = f"{view.frame}, {self._scale}"
        keys = "   ".join(
            f"{key} {name} ({view.counts[name]})"
            for key, name in self._session.keys.items()
        )
        progress = f"{view.labelled} of {view.offered} labelled"
        if view.guesses:
            progress += (
                f"; the nearest class was right for {view.guessed} of the last "
                f"{view.guesses}"
            )
        return [
            first,
            Text(view.reason, "cyan"),
            Text(f"{view.where}   {seen}", "dim"),
            Text(keys),
            Text(progress),
            Text(view.message, "bold red" if view.failed else "green"),
        ]

    def _toggle_help(self) -> None:
        self._help = not self._help

    def _next_scale(self) -> None:
        names = list(SCALES)
        self._scale = names[(names.index(self._scale) + 1) % len(names)]


def read_keys(keys: TextIO) -> Iterator[str]:
    """Yield keys until the stream ends: characters, and the names of arrows.

    Line feeds are no keys: piped words may stand in lines.
    """
    number = keys.fileno()
    while first := _read(number):
        if first == ESCAPE:
            yield ARROWS.get(_rest_of_escape(number), "")
        elif first not in "\r\n":
            yield first


def _read(number: int) -> str:
    return os.read(number, 1).decode("ascii", "replace")


def _rest_of_escape(number: int) -> str:
    """Read what a terminal sends behind an escape; a lone one has nothing."""
    rest = ""
    while len(rest) < 2 and select.select([number], [], [], ESCAPE_WAIT_S)[0]:
        letter = _read(number)
        if not letter:
            break
        rest += letter
    return rest


@contextmanager
def _single_keys(keys: TextIO) -> Iterator[None]:
    """Get keys as they are pressed, unseen, where they come from a terminal."""
    if not keys.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Leave a terminal as it was on SIGTERM too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
