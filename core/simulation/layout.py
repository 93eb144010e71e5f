"""Where a detector's pixels are and which of them give no signal, as data.

Beam along +z, x to the right and y up in the picture. A flat detector has row 0 at
the top, columns along +x and the beam in the middle of the frame; modules are put
where the settings or a file say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from specklenn.core.errors import DataError
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName
from specklenn.core.simulation import pixels
from specklenn.core.simulation.pixels import Mask, Positions

if TYPE_CHECKING:
    from typing_extensions import Self

STOPS = ("beam_stop_rows", "beam_stop_columns", "gap_columns", "gap_rows")


class Module(Settings):
    """Where one module of a detector is, in the plane of the detector.

    Parameters
    ----------
    x_m, y_m : float
        Centre of the module from the beam, x to the right and y up.
    turn_deg : float
        Anticlockwise in the picture; at 0 row 0 is the top and columns run along +x.
    """

    x_m: float
    y_m: float
    turn_deg: float = 0.0


class Layout(Settings):
    """The pixels of a detector; the defaults are the benchmark geometry.

    One flat module with the beam in its middle, unless ``modules`` or ``positions``
    say where the modules are. The benchmark's beam stop and gap are defaults of the
    flat detector only: where ``modules`` or ``positions`` are given, ``beam_stop_*``
    and ``gap_*`` are 0 by default.

    Parameters
    ----------
    distance_m : float
        From the interaction point to the detector plane; not used with ``positions``.
    pixel_size_m : float
        Side of a square pixel before binning.
    rows, columns : int
        Size of one module, before binning.
    binning : int
        Pixels summed per side. A binned pixel is at the mean of its pixels, has
        ``binning`` times their size, and is bad if any of them is.
    modules : tuple of Module
        All of ``rows`` by ``columns``; frames are (modules, H, W), also for one.
    positions : path or None
        npy file with the position of every pixel before binning, (modules, rows,
        columns, 3) or (rows, columns, 3) float, metres from the interaction point
        along x, y, z.
    beam_stop_rows, beam_stop_columns : int
        Size of the rectangle without signal, pixels before binning; in the centre of
        a flat detector, around the beam for modules.
    gap_columns, gap_rows : int
        Width of the vertical and of the horizontal strip of bad pixels through the
        centre of a flat detector, before binning; modules are placed apart instead.
    hole_radius_m : float
        Pixels whose centre is closer to the beam are bad.
    dead_modules : tuple of int
        Numbers of the modules that give no signal, from 0: all their pixels are bad.
    """

    distance_m: float = Field(default=0.1, gt=0)
    pixel_size_m: float = Field(default=450e-6, gt=0)
    rows: int = Field(default=172, ge=8, le=4096)
    columns: int = Field(default=172, ge=8, le=4096)
    binning: int = Field(default=1, ge=1)
    modules: tuple[Module, ...] = ()
    positions: FileName | None = None
    beam_stop_rows: int = Field(default=6, ge=0)
    beam_stop_columns: int = Field(default=8, ge=0)
    gap_columns: int = Field(default=4, ge=0)
    gap_rows: int = Field(default=0, ge=0)
    hole_radius_m: float = Field(default=0.0, ge=0)
    dead_modules: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _stops_of_the_benchmark(cls, values: Any) -> Any:
        if isinstance(values, dict) and (
            values.get("modules") or values.get("positions")
        ):
            return dict.fromkeys(STOPS, 0) | values
        return values

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, length in (("rows", self.rows), ("columns", self.columns)):
            if length % self.binning:
                raise ValueError(
                    f"{name} {length} is not a multiple of binning {self.binning}"
                )
        if self.modules and self.positions is not None:
            raise ValueError("modules and positions: only one of them expected")
        if not self._flat and (self.gap_columns or self.gap_rows):
            raise ValueError(
                "gap_columns, gap_rows: for a flat detector only; "
                "place the modules apart instead"
            )
        if self.positions is None:
            wrong = self._missing_module(max(len(self.modules), 1))
            if wrong:
                raise ValueError(wrong)
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame, (H, W) or (modules, H, W), after binning.

        With ``positions`` the file must be there: it says how many modules there are.
        """
        stack: tuple[int, ...] = (len(self.modules),) if self.modules else ()
        if self.positions is not None:
            stack = pixels.stored_shape(self.positions)[:-3]
        return (*stack, self.rows // self.binning, self.columns // self.binning)

    @property
    def binned_pixel_size_m(self) -> float:
        """Side of a pixel of the frame, metres."""
        return self.pixel_size_m * self.binning

    def pixel_positions_m(self) -> Positions:
        """Return pixel centres, (*shape, 3) float64, metres from the interaction.

        Raises
        ------
        DataError
            If the file of positions cannot be used.
        """
        return pixels.binned_mean(self._unbinned_positions_m(), self.binning)

    def directions(self) -> Positions:
        """Return how the frame runs, (2, *shape, 3) float64, unit vectors.

        At every pixel, towards the next column and towards the next row.
        """
        steps = pixels.neighbour_steps(self._unbinned_positions_m())
        steps = pixels.binned_mean(steps, self.binning)
        unit: Positions = steps / np.linalg.norm(steps, axis=-1, keepdims=True)
        return unit

    def mask(self) -> Mask:
        """Return the pixels without signal, (*shape) bool, True where bad.

        Raises
        ------
        DataError
            If the file of positions cannot be used or has no such dead module.
        """
        bad = self._stopped(self._unbinned_positions_m())
        modules = bad.reshape(-1, self.rows, self.columns)
        wrong = self._missing_module(len(modules))
        if wrong:
            raise DataError(f"{self.positions}: {wrong}")
        modules[list(self.dead_modules)] = True
        return pixels.binned_any(modules.reshape(bad.shape), self.binning)

    @property
    def _flat(self) -> bool:
        return not self.modules and self.positions is None

    def _missing_module(self, number: int) -> str | None:
        """Return what is wrong with the dead modules, if anything."""
        if max(self.dead_modules, default=0) < number:
            return None
        return (
            f"dead_modules: {max(self.dead_modules)}, "
            f"expected 0 to {number - 1}, the numbers of the modules"
        )

    def _unbinned_positions_m(self) -> Positions:
        size = (self.rows, self.columns, self.pixel_size_m)
        if self.positions is not None:
            return pixels.read_positions(self.positions, *size)
        flat = pixels.flat_module(*size, self.distance_m)
        if not self.modules:
            return flat
        placed = [pixels.moved(flat, m.x_m, m.y_m, m.turn_deg) for m in self.modules]
        return np.stack(placed)

    def _stopped(self, positions: Positions) -> Mask:
        """Return the pixels in the hole, the beam stop or a gap, before binning."""
        x, y = np.abs(positions[..., 0]), np.abs(positions[..., 1])
        bad: Mask = np.hypot(x, y) < self.hole_radius_m
        width, height = self.beam_stop_columns, self.beam_stop_rows
        if not self._flat:
            half = self.pixel_size_m / 2
            return bad | ((x < width * half) & (y < height * half))
        bad[pixels.middle_block(bad.shape, height, width)] = True
        bad[pixels.middle_block(bad.shape, self.rows, self.gap_columns)] = True
        bad[pixels.middle_block(bad.shape, self.gap_rows, self.columns)] = True
        return bad
