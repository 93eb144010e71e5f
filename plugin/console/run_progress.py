"""How a run goes, for the terminal: one live line, or plain lines in a log."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from specklenn.core.labels import UNKNOWN
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.say import folded

PLAIN_INTERVAL_S = 5.0


class TerminalProgress:
    """Draws the state of a run.

    Parameters
    ----------
    stream : text stream
        Where to; a terminal gets one line that is redrawn five times a second,
        anything else a line every five seconds.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        if seen_on_terminal(stream):
            console = Console(file=stream, highlight=False, force_terminal=True)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._next_plain_s = float("-inf")
        self._meter = RateMeter()

    def update(self, state: RunState, now_s: float) -> None:
        """Draw the state."""
        waiting = state.state == "waiting"
        rate = 0.0 if waiting else self._meter.rate_hz(state.class_counts.shots, now_s)
        if self._live is not None:
            self._live.update(Text(status_line(state, rate)), refresh=True)
        elif now_s >= self._next_plain_s:
            self._next_plain_s = now_s + PLAIN_INTERVAL_S
            line = folded(status_line(state, rate), self._stream)
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._live is not None:
            self._live.stop()


class NoProgress:
    """For runs that say nothing until they end."""

    def update(self, state: RunState, now_s: float) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Leave nothing."""


class RateMeter:
    """Shots a second over the last few seconds."""

    def __init__(self, window_s: float = 3.0) -> None:
        self._window = window_s
        self._points: list[tuple[float, int]] = []

    def rate_hz(self, shots: int, now_s: float) -> float:
        """Add a point and return the rate."""
        self._points.append((now_s, shots))
        while len(self._points) > 2 and now_s - self._points[0][0] > self._window:
            self._points.pop(0)
        then, before = self._points[0]
        return (shots - before) / (now_s - then) if now_s > then else 0.0


def seen_on_terminal(stream: TextIO) -> bool:
    """Return whether what is written to a stream is redrawn on a screen.

    Open MPI gives its ranks a terminal of their own even where its output goes
    to a file, so under a launcher its own output decides.
    """
    if not stream.isatty():
        return False
    if "PMIX_RANK" not in os.environ:
        return True
    try:
        target = os.readlink(f"/proc/{os.getppid()}/fd/1")
    except OSError:
        return False
    return target.startswith(("/dev/pts/", "/dev/tty"))


def status_line(state: RunState, rate_hz: float) -> str:
    """Return shots, rate, counts, latency, skipped, missed and ranks in one line."""
    counted, facts = state.class_counts, state.facts
    of = f"/{facts.expected_shots}" if facts.expected_shots else ""
    counts = "  ".join(
        f"{name} {count}"
        for name, count in zip(counted.classes, counted.counts, strict=True)
        if count or name != UNKNOWN
    )
    latency = state.latency_quantile_ms(0.99)
    ranks = " ".join(f"{rank.rank}:{rank.shots}" for rank in state.ranks.values())
    parts = [
        f"{state.state:8s} {counted.shots}{of} shots",
        f"{rate_hz:.0f} Hz",
        counts,
        f"p99 {latency:.1f} ms" if latency == latency else "p99 -",
        f"skipped {counted.skips}",
        f"missed {state.missed}",
        f"ranks {ranks}",
    ]
    return " | ".join(parts)
