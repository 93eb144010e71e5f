"""Where the beam is: patterns of particles are point-symmetric about it (Friedel).

A pattern is compared with its own turn by 180 degrees about every half pixel at once:
the correlation coefficient over the pixels that are good on both sides, by Fourier
transforms (Padfield 2012, IEEE Transactions on Image Processing 21, 2706, equations
for masked normalised correlation, with the pattern in the place of both images).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_OVERLAP = 0.25
"""Share of the good pixels that must be good on both sides."""

LARGEST_SIDE = 1024
"""Pixels that are transformed; larger patterns are binned."""

Pattern = npt.NDArray[np.floating]
Position = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A point about which a pattern is symmetric.

    Parameters
    ----------
    position : (row, column)
        Pixels; pixel k reaches from k to k + 1.
    correlation : float
        With the pattern turned about this point, -1 to 1.
    """

    position: Position
    correlation: float


def find_centre(pattern: Pattern, expected: Position, reach: float) -> Centre | None:
    """Return the point near an expected one about which a pattern is most symmetric.

    Parameters
    ----------
    pattern : (H, W) array, photons
        NaN where bad.
    expected : (row, column)
        Pixels, as `Centre.position`.
    reach : float
        How far from there it is looked for, pixels.

    Returns
    -------
    Centre or None
        None where too few pixels have a good mate, as on a detector that lies on one
        side of the beam, and where the pattern is flat or not symmetric at all.
    """
    width = -(-max(pattern.shape) // LARGEST_SIDE)
    binned = _binned(pattern, width)
    surface = _correlations(np.sqrt(np.maximum(binned, 0)))
    rows, columns = (
        _near(2 * middle / width - 1, 2 * reach / width, length)
        for middle, length in zip(expected, surface.shape, strict=True)
    )
    near = surface[rows, columns]
    if near.size == 0 or not np.isfinite(near).any():
        return None
    row, column = np.unravel_index(np.nanargmax(near), near.shape)
    if row in (0, near.shape[0] - 1) or column in (0, near.shape[1] - 1):
        return None  # it rises to the edge: there is no such point
    row, column = int(row) + rows.start, int(column) + columns.start
    position = (
        width * (row + _vertex(surface[row - 1 : row + 2, column]) + 1) / 2,
        width * (column + _vertex(surface[row, column - 1 : column + 2]) + 1) / 2,
    )
    correlation = float(surface[row, column])
    if correlation <= 0:
        return None
    return Centre(position=position, correlation=correlation)


def correlation_about(pattern: Pattern, position: Position) -> float:
    """Return the correlation of a pattern with its turn about a point; NaN if none.

    Parameters
    ----------
    pattern : (H, W) array
        NaN where bad.
    position : (row, column)
        Pixels; the half pixel nearest to it is taken.
    """
    values = np.sqrt(np.maximum(pattern, 0))
    overlaps = [
        _mirrored(2 * middle - 1, length)
        for middle, length in zip(position, pattern.shape, strict=True)
    ]
    cut = values[overlaps[0], overlaps[1]]
    turned = cut[::-1, ::-1]
    both = np.isfinite(cut) & np.isfinite(turned)
    one, other = cut[both], turned[both]
    if both.sum() < 2 or not np.ptp(one) or not np.ptp(other):
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _mirrored(twice: float, length: int) -> slice:
    """Return the longest range of pixels symmetric about half of a sum of indices."""
    total = round(twice)
    first = max(0, total - length + 1)
    return slice(first, max(first, total - first + 1))


def _near(twice: float, reach: float, length: int) -> slice:
    first = max(0, round(twice - reach))
    return slice(first, max(first, min(length, round(twice + reach) + 1)))


def _binned(pattern: Pattern, width: int) -> npt.NDArray[np.float64]:
    """Return means of squares of pixels; NaN where none is good."""
    height, side = (length // width * width for length in pattern.shape)
    cut = pattern[:height, :side].astype(np.float64)
    blocks = cut.reshape(height // width, width, side // width, width)
    good = np.isfinite(blocks)
    number = good.sum(axis=(1, 3))
    total = np.where(good, blocks, 0).sum(axis=(1, 3))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _correlations(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the correlation with the turn, by the sum of indices of two mates.

    NaN where too few pixels are good on both sides, or the pattern is flat there.
    """
    good = np.isfinite(values)
    filled = np.where(good, values, 0)
    filled -= filled.sum() / max(good.sum(), 1) * good  # for precision
    shape = tuple(2 * length for length in values.shape)
    mask, linear, square = (
        np.fft.rfft2(picture, shape)
        for picture in (good.astype(float), filled, filled**2)
    )

    overlap = np.rint(_back(mask * mask, shape))
    number = np.maximum(overlap, 1)
    mean = _back(linear * mask, shape) / number
    variance = _back(square * mask, shape) / number - mean**2
    covariance = _back(linear * linear, shape) / number - mean**2
    floor = 1e-9 * filled.var()
    usable = (overlap >= LEAST_OVERLAP * good.sum()) & (variance > floor)
    found: npt.NDArray[np.float64] = np.where(
        usable, covariance / np.where(usable, variance, 1), np.nan
    )
    return found


def _back(
    product: npt.NDArray[np.complex128], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Return a convolution, by the sum of two indices."""
    picture: npt.NDArray[np.float64] = np.fft.irfft2(product, shape)[:-1, :-1]
    return picture


def _vertex(three: npt.NDArray[np.float64]) -> float:
    """Return where the parabola through three values has its top, from the middle."""
    left, middle, right = three.tolist()
    bend = left - 2 * middle + right
    if not np.isfinite(bend) or bend >= 0:
        return 0.0
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
