"""Whether the window can open here; Qt is not imported into this process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys

INSTALL = 'pip install "specklenn[gui]"'
FIRST_BAD = (6, 12)
"""From this PySide6 on, Python before 3.12 is aborted after some seconds."""


OFF_SCREEN = ("offscreen", "minimal")

PATIENCE_S = 20.0
"""How long a display may take to answer."""

PROBE = """\
import contextlib
with contextlib.suppress(ImportError, OSError, ValueError):
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from {binding} import QtGui
QtGui.QGuiApplication(["specklenn"])
"""


def refusal() -> str:
    """One sentence that says why the window cannot open, empty if it can."""
    asked = os.environ.get("PYQTGRAPH_QT_LIB", "PySide6")
    missing = [
        name for name in ("pyqtgraph", asked) if importlib.util.find_spec(name) is None
    ]
    if missing:
        return f"the window needs {' and '.join(missing)}: {INSTALL}"
    if asked == "PySide6":
        return version_refusal(_pyside_version(), sys.version_info[:2])
    return ""


def version_refusal(pyside: str, python: tuple[int, int]) -> str:
    """One sentence if this PySide6 does not work with this Python, else empty."""
    numbers = tuple(int(part) for part in pyside.split(".")[:2] if part.isdigit())
    if numbers >= FIRST_BAD and python < (3, 12):
        return (
            f"PySide6 {pyside} aborts under Python {python[0]}.{python[1]} after some "
            'seconds: pip install "PySide6-Essentials<6.12", or use Python 3.12'
        )
    return ""


def display_refusal() -> str:
    """One sentence that says why no window can be shown here, empty if it can.

    Qt is asked in a process of its own: where it cannot use the display, it does not
    raise but abort. Drawing off screen always works and is not asked about.
    """
    if os.environ.get("QT_QPA_PLATFORM") in OFF_SCREEN:
        return ""
    binding = os.environ.get("PYQTGRAPH_QT_LIB", "PySide6")
    words = [sys.executable, "-c", PROBE.format(binding=binding)]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{_display()} does not answer"
    if done.returncode == 0:
        return ""
    return f"{_display()} cannot be used ({_reason(done.stderr)})"


def _display() -> str:
    """Name what a window would be shown on."""
    names = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY")
    found = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return f"the display ({', '.join(found)})" if found else "the display"


def _reason(said: str) -> str:
    """Return the line of Qt's that says most."""
    lines = [line for line in said.splitlines() if line.strip()] or ["no reason given"]
    told = [line for line in lines if "could not connect" in line.lower()]
    return (told or lines)[0].strip().rstrip(".")


def prefer_pyside() -> None:
    """Have pyqtgraph take PySide6 where nobody asked for another binding."""
    os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")


def _pyside_version() -> str:
    for name in ("PySide6-Essentials", "PySide6"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "0"
