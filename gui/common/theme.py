"""Colours, line styles and the style sheet of the dark window.

Colours of the classes are those of Okabe and Ito (jfly.uni-koeln.de/color), which
differ under every common colour blindness; a line style and a number go with each.
"""

from __future__ import annotations

from dataclasses import dataclass

BACKGROUND = "#14181d"
PANEL = "#1c2228"
RAISED = "#262e36"
LINE = "#3a444e"
TEXT = "#e8ebee"
MUTED = "#aab4be"
AMBER = "#f0b429"
MASK = "#4b5763"

WHITE = "#ffffff"
GREEN_FILL = "#0b7548"
AMBER_FILL = "#8a5a00"
RED_FILL = "#b3261e"
BLUE_FILL = "#1f5fa8"
GREY_FILL = "#4a5560"
BANNER_FILL = "#b34700"


@dataclass(frozen=True)
class ClassStyle:
    """How a class is drawn everywhere.

    Parameters
    ----------
    colour : str
        Colour of borders and lines, never of text.
    dashes : tuple of float
        Strokes and spaces in line widths, empty for a full line.
    """

    colour: str
    dashes: tuple[float, ...]


_SOLID: tuple[float, ...] = ()
_DASH = (6.0, 3.0)
_DOT = (1.5, 2.0)
_DASH_DOT = (6.0, 2.5, 1.5, 2.5)
_DASH_DOT_DOT = (6.0, 2.5, 1.5, 2.0, 1.5, 2.5)

_KNOWN = {
    "single-hit": ClassStyle("#56b4e9", _SOLID),
    "multi-hit": ClassStyle("#e69f00", _DASH),
    "non-sample-hit": ClassStyle("#cc79a7", _DOT),
    "no-hit": ClassStyle("#9aa5b0", _DASH_DOT),
    "unknown": ClassStyle("#00a97c", _DASH_DOT_DOT),
}
_OTHERS = (
    ClassStyle("#f0e442", _SOLID),
    ClassStyle("#d55e00", _DASH),
    ClassStyle("#4b8fd6", _DOT),
    *_KNOWN.values(),
)

HIDDEN_AT_FIRST = ("no-hit",)
"""Nine shots in ten are of this class: its curve would flatten all others."""


def class_styles(classes: tuple[str, ...]) -> dict[str, ClassStyle]:
    """Style of each class: fixed for the usual names, in turn for others."""
    styles = {}
    others = 0
    for name in classes:
        if name in _KNOWN:
            styles[name] = _KNOWN[name]
        else:
            styles[name] = _OTHERS[others % len(_OTHERS)]
            others += 1
    return styles


STYLE_SHEET = f"""
QWidget {{ background: {BACKGROUND}; color: {TEXT}; }}
QLabel {{ background: transparent; }}
QLabel[muted="true"] {{ color: {MUTED}; }}
QLabel[warn="true"] {{ color: {AMBER}; }}
QFrame[panel="true"] {{ background: {PANEL}; border-radius: 4px; }}
QFrame[panel="true"] QWidget {{ background: {PANEL}; }}
QFrame[panel="true"] QLabel {{ background: transparent; }}
QLabel[chip="true"] {{ background: {RAISED}; border-radius: 4px; }}
QLabel[fill] {{ color: {WHITE}; }}
QLabel[fill="green"] {{ background: {GREEN_FILL}; }}
QLabel[fill="amber"] {{ background: {AMBER_FILL}; }}
QLabel[fill="red"] {{ background: {RED_FILL}; }}
QLabel[fill="blue"] {{ background: {BLUE_FILL}; }}
QLabel[fill="grey"] {{ background: {GREY_FILL}; }}
QFrame[banner="true"] {{ background: {BANNER_FILL}; border-radius: 4px; }}
QFrame[banner="true"] QLabel {{ color: {WHITE}; background: transparent; }}
QFrame[help="true"] {{ background: {RAISED}; border: 1px solid {MUTED};
    border-radius: 6px; }}
QPushButton, QComboBox, QToolButton {{
    background: {RAISED}; color: {TEXT}; border: 1px solid {LINE};
    border-radius: 3px; padding: 2px 8px; }}
QPushButton:hover, QComboBox:hover, QToolButton:hover {{ border-color: {MUTED}; }}
QPushButton:focus, QComboBox:focus, QToolButton:focus {{ border-color: {TEXT}; }}
QPushButton:checked {{ background: {BLUE_FILL}; color: {WHITE}; }}
QToolButton:checked {{ background: {RAISED}; color: {TEXT}; }}
QToolButton {{ color: {MUTED}; background: {PANEL}; padding: 1px 3px; }}
QComboBox QAbstractItemView {{
    background: {RAISED}; color: {TEXT}; selection-background-color: {BLUE_FILL}; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {MUTED}; }}
QSplitter::handle {{ background: {BACKGROUND}; }}
"""
