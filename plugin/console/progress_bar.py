"""Progress of work that takes a while: a bar with rate and time left, or lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.text import Text

from specklenn.plugin.console.run_progress import (
    PLAIN_INTERVAL_S,
    RateMeter,
    seen_on_terminal,
)

Item = TypeVar("Item")

PLAIN_SHARE = 0.05
"""Plain lines are at least this share of the time so far apart: an hour makes about a
hundred lines, not seven hundred."""


class RateColumn(ProgressColumn):
    """Shots, or whatever is counted, a second."""

    def __init__(self, unit: str = "shots") -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the text for a task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed, self._unit))


class WorkProgress:
    """Draws how much of some work is done; use it in a ``with`` block.

    Parameters
    ----------
    what : str
        What is being done.
    total : int
        Shots, or whatever is counted.
    done : int
        Shots that were done before.
    unit : str
        What is counted, if it is not shots.
    clock : function
        Seconds from any start.
    """

    def __init__(
        self,
        what: str,
        total: int,
        done: int = 0,
        unit: str = "shots",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit = unit
        self._what, self._total, self._done = what, total, done
        self._clock = clock
        self._meter = RateMeter(window_s=10.0)
        self._begin_s = clock()
        self._meter.rate_hz(done, self._begin_s)
        self._next_plain_s = self._begin_s + PLAIN_INTERVAL_S
        self._bar: Progress | None = None
        if seen_on_terminal(sys.stdout):
            columns = (BarColumn(), MofNCompleteColumn(), RateColumn(unit))
            self._bar = Progress(
                TextColumn("{task.description}"),
                *columns,
                TimeRemainingColumn(),
                TextColumn("{task.fields[remark]}"),
                console=Console(force_terminal=True),
                transient=True,
            )
            self._task = self._bar.add_task(
                what, total=total, completed=done, remark=""
            )

    def __enter__(self) -> WorkProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, number: int, remark: str = "") -> None:
        """Count what was done, and say how it goes, like the loss of a training."""
        self._done += number
        now_s = self._clock()
        rate = self._meter.rate_hz(self._done, now_s)
        if self._bar is not None:
            self._bar.update(self._task, advance=number, remark=remark)
        elif now_s >= self._next_plain_s:
            apart = max(PLAIN_INTERVAL_S, PLAIN_SHARE * (now_s - self._begin_s))
            self._next_plain_s = now_s + apart
            print(self._line(rate, remark), flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays, above the bar if there is one."""
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _line(self, rate: float, remark: str) -> str:
        parts = [f"{self._what}: {self._done}/{self._total}", _rate(rate, self._unit)]
        if rate:
            left = timedelta(seconds=round((self._total - self._done) / rate))
            parts.append(f"{left} left")
        return ", ".join(parts + [remark] * bool(remark))


def _rate(per_second: float, unit: str) -> str:
    digits = sum(per_second < limit for limit in (10.0, 1.0))
    return f"{per_second:.{digits}f} {unit}/s"


def on_screen(words: str) -> Callable[[Sequence[Item]], Iterable[Item]]:
    """Return what goes through items behind a progress bar, if there is a screen."""
    hidden = not seen_on_terminal(sys.stdout)
    return lambda items: track(items, description=words, transient=True, disable=hidden)
