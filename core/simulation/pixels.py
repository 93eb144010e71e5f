"""Where the pixels of a detector are, as arrays of positions in metres.

Frame: origin at the interaction point, beam along +z, x to the right and y up in
the picture. Arrays are (..., H, W, 3): rows, then columns of a module, and the
number of the module in front where there are several.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError

Positions = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def flat_module(
    rows: int, columns: int, pixel_size_m: float, distance_m: float
) -> Positions:
    """Return the pixels of a module centred on the beam, (rows, columns, 3), metres.

    Row 0 is at the top, columns run along +x.
    """
    down = np.arange(rows) - (rows - 1) / 2
    along = np.arange(columns) - (columns - 1) / 2
    y, x = np.meshgrid(-down, along, indexing="ij")
    z = np.full_like(x, distance_m / pixel_size_m)
    return np.stack((x, y, z), axis=-1) * pixel_size_m


def moved(module: Positions, x_m: float, y_m: float, turn_deg: float) -> Positions:
    """Return a module turned anticlockwise about the beam and then shifted."""
    cosine, sine = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    placed: Positions = module @ turn.T + [x_m, y_m, 0.0]
    return placed


def neighbour_steps(positions: Positions) -> Positions:
    """Return the way from each pixel to the next along columns and along rows.

    Taken from the nearer of the two neighbours, so that a step never leads into
    another module where modules are stacked in one frame.

    Parameters
    ----------
    positions : (..., H, W, 3) float64, metres
        Two rows and two columns or more.

    Returns
    -------
    (2, ..., H, W, 3) float64, metres
        Towards the next column, towards the next row.
    """
    return np.stack((_nearer_steps(positions, -2), _nearer_steps(positions, -3)))


def binned_mean(values: Positions, binning: int) -> Positions:
    """Return means over blocks of pixels, (..., H, W, 3) to (..., h, w, 3)."""
    means: Positions = _blocks(values, binning).mean(axis=(-4, -2))
    return means


def binned_any(bad: Mask, binning: int) -> Mask:
    """Return the blocks with any bad pixel, (..., H, W) to (..., h, w) bool."""
    blocks = _blocks(bad[..., None], binning)
    found: Mask = np.logical_or.reduce(blocks, axis=(-4, -2, -1))
    return found


def middle_block(
    shape: tuple[int, ...], rows: int, columns: int
) -> tuple[slice, slice]:
    """Return the slices of a rectangle of pixels in the middle of a flat frame."""
    return _middle(shape[0], rows), _middle(shape[1], columns)


def stored_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the array in a positions file; see `read_positions`."""
    return _open_array(path).shape


def read_positions(
    path: Path, rows: int, columns: int, pixel_size_m: float
) -> Positions:
    """Read where every pixel is.

    Parameters
    ----------
    path : path
        npy file with (modules, rows, columns, 3) or (rows, columns, 3) float, metres
        from the interaction point.
    rows, columns : int
        Size of a module.
    pixel_size_m : float
        Pixels must lie about that far apart; a file in other units does not pass.

    Raises
    ------
    DataError
        If the file cannot be read, has another shape, holds numbers that are not
        finite, pixels that are not downstream of the interaction point or neighbours
        closer than half or farther than twice the pixel size.
    """
    stored = _open_array(path)
    if stored.ndim not in (3, 4) or stored.shape[-3:] != (rows, columns, 3):
        raise DataError(
            f"{path}: pixel positions of shape {stored.shape}, expected "
            f"(modules, {rows}, {columns}, 3) or ({rows}, {columns}, 3)"
        )
    if stored.dtype.kind != "f":
        raise DataError(f"{path}: pixel positions of type {stored.dtype}, not float")
    positions = np.array(stored, np.float64, order="C")
    _check_positions(path, positions, pixel_size_m)
    return positions


def _open_array(path: Path) -> npt.NDArray[np.generic]:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, expected pixel positions") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not an npy file of positions ({error})") from None


def _check_positions(path: Path, positions: Positions, pixel_size_m: float) -> None:
    wrong = int((~np.isfinite(positions).all(axis=-1)).sum())
    if wrong:
        raise DataError(f"{path}: positions of {wrong} pixels are not finite")
    nearest = positions[..., 2].min(initial=np.inf)
    if nearest <= 0:
        raise DataError(
            f"{path}: z from {nearest:g} m, expected above 0; z includes the "
            "distance from the interaction point to the detector"
        )
    apart = np.linalg.norm(neighbour_steps(positions), axis=-1)
    if apart.min() < 0.5 * pixel_size_m or apart.max() > 2 * pixel_size_m:
        raise DataError(
            f"{path}: neighbouring pixels {apart.min():g} to {apart.max():g} m apart, "
            f"expected about pixel_size_m {pixel_size_m:g}"
        )


def _nearer_steps(positions: Positions, axis: int) -> Positions:
    steps = np.diff(positions, axis=axis)
    first, last = np.take(steps, [0], axis), np.take(steps, [-1], axis)
    ahead = np.concatenate((steps, last), axis)
    behind = np.concatenate((first, steps), axis)
    nearer = np.linalg.norm(ahead, axis=-1) <= np.linalg.norm(behind, axis=-1)
    return np.where(nearer[..., None], ahead, behind)


def _blocks(values: npt.NDArray[np.generic], binning: int) -> npt.NDArray[np.generic]:
    """Return (..., H, W, C) as (..., h, binning, w, binning, C)."""
    *stack, rows, columns, parts = values.shape
    split = (rows // binning, binning, columns // binning, binning, parts)
    return values.reshape(*stack, *split)


def _middle(length: int, width: int) -> slice:
    """Return the slice of ``width`` pixels in the middle of ``length``."""
    first = (length - min(width, length)) // 2
    return slice(first, first + min(width, length))
