"""How bright and how grainy a pattern is, ring by ring.

Speckles of one particle and of several, and smooth light of droplets, differ in how
strongly photons vary along a ring of the same scattering angle. A network that is
trained on simulated patterns can miss that on real ones; these few numbers do not
depend on training.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

RINGS = 10
RING_WIDTH = 2.0
"""Of a ring, pixels of the network's input."""

STATISTICS = ("fano", "profile", "contrast")
"""Names of the blocks of `ring_statistics`, each of `RINGS` columns."""

PHOTON_OFFSET = 0.01
ROOT_OFFSET = 0.05
"""Added before a ratio or a logarithm: some rings are empty."""

Pictures = npt.NDArray[np.float32]


def ring_statistics(roots: Pictures) -> npt.NDArray[np.float32]:
    """Describe the rings about the middle of patterns.

    Parameters
    ----------
    roots : (B, side, side) float32
        Square roots of photons per pixel, NaN where bad.

    Returns
    -------
    (B, 3 x RINGS) float32
        The logarithm of the Fano factor (variance / mean of photons), the logarithm
        of the mean photons, and the contrast (standard deviation / mean of the
        roots), each of every ring; bad pixels do not count, a ring of bad pixels
        alone counts as empty.
    """
    number, side, _ = roots.shape
    good = ~np.isnan(roots).reshape(number, side * side)
    values = np.where(good, roots.reshape(good.shape), np.float32(0.0))
    photons = values**2
    sums = np.stack((values, photons, photons**2)) @ _rings(side)
    pixels = good.astype(np.float32) @ _rings(side)
    root, mean, square = sums / np.maximum(pixels, 1.0)
    fano = np.maximum(square - mean**2, 0.0) + PHOTON_OFFSET
    contrast = np.sqrt(np.maximum(mean - root**2, 0.0)) / (root + ROOT_OFFSET)
    brightness = mean + PHOTON_OFFSET
    statistics: npt.NDArray[np.float32] = np.concatenate(
        (np.log(fano / brightness), np.log(brightness), contrast), axis=1
    )
    return statistics


@lru_cache(maxsize=8)
def _rings(side: int) -> npt.NDArray[np.float32]:
    """Return which pixels belong to which ring, (side x side, RINGS) of 0 and 1."""
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    ring = (np.hypot(rows, columns) / RING_WIDTH).astype(int).ravel()
    members: npt.NDArray[np.bool_] = ring[:, None] == np.arange(RINGS)
    return members.astype(np.float32)
