"""How many thumbnails stand side by side, and how large; no Qt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ThumbnailGrid:
    """Columns and lines of one class, and the side of a picture in pixels."""

    columns: int
    lines: int
    side: int


def fitting_grid(
    width: int, height: int, rows: int, most: int, gap: int, caption: int
) -> ThumbnailGrid:
    """Largest pictures of which `most` per row fit into an area.

    Parameters
    ----------
    width, height : int
        Area for all rows without their titles, pixels.
    rows : int
        Classes.
    most : int
        Pictures per class.
    gap, caption : int
        Pixels between pictures, and for the words below each.
    """
    best = ThumbnailGrid(most, 1, 1)
    for lines in range(1, most + 1):
        columns = -(-most // lines)
        wide = (width - gap * (columns - 1)) // columns
        high = height // max(rows * lines, 1) - caption - gap
        side = max(1, min(wide, high))
        if side > best.side:
            best = ThumbnailGrid(columns, lines, side)
    return best
