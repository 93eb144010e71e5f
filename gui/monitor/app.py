"""``specklenn monitor``: arguments, checks, then the window.

Qt is imported only when a window really opens.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specklenn.gui.common import qt_check

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5556"
LOWEST_HZ, HIGHEST_HZ = 0.2, 10.0
SMALLEST_SIDE, LARGEST_SIDE = 200, 8192
WRONG_USAGE = 2


def main(arguments: list[str]) -> int:
    """Exit code of ``specklenn monitor ARGUMENTS``.

    0: closed, interrupted, or picture written; 1: no picture, or one without data;
    2: wrong usage, or packages missing.
    """
    options = _parser().parse_args(arguments)
    if options.until_finished and options.snapshot is None:
        return _refuse("--until-finished needs --snapshot FILE")
    refusal = qt_check.refusal()
    if refusal:
        return _refuse(refusal)
    qt_check.prefer_pyside()
    _choose_platform(picture_only=options.snapshot is not None)
    with _silent_end_while_loading():
        refusal = qt_check.display_refusal()
        if refusal:
            return _refuse(f"{refusal}; log in with ssh -X, or use --snapshot FILE")
        return _open(options)


def _open(options: argparse.Namespace) -> int:
    """Load Qt, connect and run the window."""
    try:
        from specklenn.gui.monitor.event_loop import run
    except ImportError as error:
        return _refuse(f"Qt does not start here ({error}): {qt_check.INSTALL}")
    from specklenn.gui.monitor.simulated import SimulatedStream
    from specklenn.gui.monitor.stream import SnapshotStream, ZmqStream

    try:
        stream: SnapshotStream = (
            SimulatedStream()
            if options.simulate
            else ZmqStream(options.endpoint, keys=options.keys)
        )
    except ValueError as error:
        return _refuse(str(error))
    return run(
        stream,
        refresh_hz=options.refresh,
        size=options.size,
        screenshot=options.snapshot,
        after_s=options.after,
        until_finished=options.until_finished,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn monitor",
        description="Show what a running analysis publishes.",
        epilog="Example: specklenn monitor --snapshot window.png --until-finished",
    )
    parser.add_argument(
        "endpoint",
        nargs="?",
        default=DEFAULT_ENDPOINT,
        metavar="ENDPOINT",
        help="publish.endpoint of the run (default: %(default)s)",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="client.json of specklenn keys, where the run has keys",
    )
    parser.add_argument(
        "--snapshot",
        type=Path,
        metavar="FILE",
        help="write a PNG picture of the window and leave",
    )
    parser.add_argument(
        "--after",
        type=_seconds,
        default=3.0,
        metavar="SECONDS",
        help="with --snapshot: when to take the first picture (default: %(default)s)",
    )
    parser.add_argument(
        "--until-finished",
        action="store_true",
        help="with --snapshot: renew the picture every 2 s until the run has ended",
    )
    parser.add_argument(
        "--refresh",
        type=_refresh,
        default=5.0,
        metavar="HZ",
        help=f"refreshes per second, {LOWEST_HZ} to {HIGHEST_HZ} (default 5)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="size of the window in pixels, for example 1366x768",
    )
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="show invented data, to learn the window",
    )
    return parser


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} found, seconds expected, as 2.5")
    return value


def _number(text: str) -> float:
    """Return a number; NaN, which no range has, for other text."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _refresh(text: str) -> float:
    value = _number(text)
    if not LOWEST_HZ <= value <= HIGHEST_HZ:
        raise argparse.ArgumentTypeError(
            f"{text!r} found, {LOWEST_HZ} to {HIGHEST_HZ} expected"
        )
    return value


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (width, height)]
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        raise argparse.ArgumentTypeError(
            f"{text!r} found, {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side expected"
        )
    return sides[0], sides[1]


@contextmanager
def _silent_end_while_loading() -> Iterator[None]:
    """End at once on a signal until the window takes over; nothing is open yet."""
    before = {
        number: signal.signal(number, lambda _number, _frame: os._exit(0))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _choose_platform(picture_only: bool) -> None:
    """Draw off screen for a picture file, and where there is no display."""
    if os.environ.get("QT_QPA_PLATFORM"):
        return
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    linux = sys.platform.startswith("linux")
    if not picture_only and (not linux or any(map(os.environ.get, displays))):
        return
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not picture_only:
        print(
            "specklenn monitor: no display here, so nobody will see the window; "
            "use --snapshot FILE, or ssh -X",
            file=sys.stderr,
        )


def _refuse(sentence: str) -> int:
    print(f"specklenn monitor: {sentence}", file=sys.stderr)
    return WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
