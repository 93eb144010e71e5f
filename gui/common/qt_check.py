"""Whether the window can open here; looks at packages without importing Qt."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys

INSTALL = 'pip install "specklenn[gui]"'
FIRST_BAD = (6, 12)
"""From this PySide6 on, Python before 3.12 is aborted after some seconds."""


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
