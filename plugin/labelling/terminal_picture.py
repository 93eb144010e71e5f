"""A pattern as characters: two pixels in each, one above the other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rich.style import Style
from rich.text import Text

from specklenn.core.labelling.pictures import Picture, brightness

UPPER_HALF = "\N{UPPER HALF BLOCK}"
MASKED = (75, 87, 99)
DARK_TO_BRIGHT = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
"""Colours in equal steps, those of the window."""

SHADES = " .:-=+*#%@"
"""For terminals without colours, from dark to bright."""

LEVELS = 32

Codes = npt.NDArray[np.int64]


def in_colours(picture: Picture, scale: str) -> Text:
    """Return a picture as lines of half blocks.

    Parameters
    ----------
    picture : (h, w) float32, photons per pixel, NaN where bad
    scale : {"log", "sqrt", "linear"}

    Returns
    -------
    Text
        h / 2 lines, rounded up, of w characters.
    """
    codes = _codes(picture, scale, LEVELS)
    if len(codes) % 2:
        codes = np.vstack([codes, np.full((1, codes.shape[1]), -1)])
    text = Text(no_wrap=True, end="")
    for upper, lower in zip(codes[::2], codes[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            text.append(UPPER_HALF, _style(above, below))
        text.append("\n")
    return text


def in_letters(picture: Picture, scale: str) -> Text:
    """Return a picture as lines of letters from light to heavy; x where bad.

    Two rows make one line, the brighter one counts.
    """
    codes = _codes(picture, scale, len(SHADES))
    if len(codes) % 2:
        codes = np.vstack([codes, codes[-1:]])
    brighter = np.maximum(codes[::2], codes[1::2])
    lines = ["".join(SHADES[c] if c >= 0 else "x" for c in row) for row in brighter]
    return Text("\n".join(lines) + "\n", no_wrap=True, end="")


def _codes(picture: Picture, scale: str, levels: int) -> Codes:
    """Return the level of each pixel, -1 where bad."""
    shown = brightness(picture, scale)
    bad = np.isnan(shown)
    codes: Codes = np.rint(np.where(bad, 0, shown) * (levels - 1)).astype(np.int64)
    codes[bad] = -1
    return codes


@lru_cache(maxsize=4096)
def _style(above: int, below: int) -> Style:
    return Style(color=_colour(above), bgcolor=_colour(below))


def _colour(level: int) -> str:
    if level < 0:
        return "rgb({},{},{})".format(*MASKED)
    steps = len(DARK_TO_BRIGHT) - 1
    position = level / (LEVELS - 1) * steps
    first = min(int(position), steps - 1)
    share = position - first
    mixed = (
        round((1 - share) * a + share * b)
        for a, b in zip(DARK_TO_BRIGHT[first], DARK_TO_BRIGHT[first + 1], strict=True)
    )
    return "rgb({},{},{})".format(*mixed)
