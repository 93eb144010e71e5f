"""Progress of work that makes shots: a bar with rate and time left, or plain lines."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from specklenn.plugin.progress import PLAIN_INTERVAL_S, RateMeter, seen_on_terminal


class RateColumn(ProgressColumn):
    """Shots, or whatever is counted, a second.

    Parameters
    ----------
    unit : str
    """

    def __init__(self, unit: str = "shots") -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the text for a task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f} {self._unit}/s")


class ShotProgress:
    """Draws how many of some shots are done; use it in a ``with`` block.

    Parameters
    ----------
    what : str
        What is being made.
    total : int
        Shots.
    done : int
        Shots that were there before.
    unit : str
        What is counted, if it is not shots.
    """

    def __init__(
        self, what: str, total: int, done: int = 0, unit: str = "shots"
    ) -> None:
        self._unit = unit
        self._what, self._total, self._done = what, total, done
        self._meter = RateMeter(window_s=10.0)
        self._meter.rate_hz(done, time.monotonic())
        self._next_plain_s = time.monotonic() + PLAIN_INTERVAL_S
        self._bar: Progress | None = None
        if seen_on_terminal(sys.stdout):
            columns = (BarColumn(), MofNCompleteColumn(), RateColumn(unit))
            text = TextColumn("{task.description}")
            console = Console(force_terminal=True)
            self._bar = Progress(
                text, *columns, TimeRemainingColumn(), console=console, transient=True
            )
            self._task = self._bar.add_task(what, total=total, completed=done)

    def __enter__(self) -> ShotProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, shots: int) -> None:
        """Count shots that were made."""
        self._done += shots
        now_s = time.monotonic()
        if self._bar is not None:
            self._bar.advance(self._task, shots)
        elif now_s >= self._next_plain_s:
            self._next_plain_s = now_s + PLAIN_INTERVAL_S
            print(self._line(now_s), flush=True)

    def _line(self, now_s: float) -> str:
        rate = self._meter.rate_hz(self._done, now_s)
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate else ""
        count = f"{self._done}/{self._total}"
        return f"{self._what}: {count}, {rate:.0f} {self._unit}/s{left}"
