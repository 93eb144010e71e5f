"""The part of a detector that is used, as a mask.

Frames are pictures (H, W) in which modules lie on top of each other, the way
`specklenn.core.data.labelled_dataset` stacks them; row 0 is the top.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.errors import ConfigError
from specklenn.core.settings import Settings

Mask = npt.NDArray[np.bool_]


class Area(Settings):
    """The part of the detector that is used; the whole by default.

    With both ``quadrant`` and ``modules``, what lies in both.

    Parameters
    ----------
    quadrant : 0, 1, 2, 3 or None
        Upper left, upper right, lower left, lower right of the beam.
    modules : tuple of int
        Numbers of modules, from 0 in the order of the dataset; all if there are none.
    find_dead : bool
        Whether modules, parts of them and single pixels that give no signal are looked
        for before the start and left out, see `specklenn.core.data.dead_area` and
        `specklenn.core.data.bad_pixels`.
    """

    quadrant: Literal[0, 1, 2, 3] | None = None
    modules: tuple[Annotated[int, Field(ge=0)], ...] = ()
    find_dead: bool = True

    @property
    def chosen(self) -> bool:
        """Whether it is less than the whole detector."""
        return self.quadrant is not None or bool(self.modules)

    @property
    def words(self) -> str:
        """What is used, as "quadrant 0" or "modules 0, 3"."""
        parts = [] if self.quadrant is None else [f"quadrant {self.quadrant}"]
        if self.modules:
            parts.append(f"modules {', '.join(map(str, self.modules))}")
        return ", ".join(parts) or "whole"


def area_mask(
    area: Area,
    shape: tuple[int, int],
    modules: int = 1,
    centre: tuple[float, float] | None = None,
) -> Mask:
    """Return the pixels outside an area, (H, W) bool, True where not used.

    Parameters
    ----------
    area : Area
    shape : (H, W)
        Shape of the frames.
    modules : int
        How many of H / modules rows lie on top of each other in a frame.
    centre : (row, column) or None
        Beam position, pixels, as `specklenn.core.preprocess.Preprocessing.centre`:
        pixel k reaches from k to k + 1. The quadrants meet at the pixel edges nearest
        to it. The middle of the frame by default.

    Raises
    ------
    ConfigError
        If there is no such module, or no pixel in the area.
    """
    used = np.ones(shape, bool)
    if area.modules:
        used &= _in_modules(area.modules, shape, modules)
    if area.quadrant is not None:
        used &= _in_quadrant(area.quadrant, shape, centre)
    if not used.any():
        raise ConfigError(
            f"area: {area.words} found, which holds no pixel of frames of shape "
            f"{shape} around {centre or 'their middle'}"
        )
    return ~used


def modules_with(pixels: Mask, modules: int) -> Mask:
    """Return which modules have any of the pixels (H, W), (modules,) bool."""
    return np.asarray(pixels.reshape(modules, -1).any(axis=1))


def _in_modules(numbers: tuple[int, ...], shape: tuple[int, int], modules: int) -> Mask:
    if max(numbers) >= modules:
        raise ConfigError(
            f"area.modules: {max(numbers)} found, expected 0 to {modules - 1}, the "
            "numbers of the modules in the data"
        )
    used = np.zeros(shape, bool)
    used.reshape(modules, -1)[list(numbers)] = True
    return used


def _in_quadrant(
    quadrant: int, shape: tuple[int, int], centre: tuple[float, float] | None
) -> Mask:
    row, column = centre or (shape[0] / 2, shape[1] / 2)
    upper = np.arange(shape[0]) < round(row)
    left = np.arange(shape[1]) < round(column)
    rows = upper if quadrant < 2 else ~upper
    columns = left if quadrant % 2 == 0 else ~left
    return rows[:, None] & columns[None, :]
