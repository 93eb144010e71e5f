"""The lit-pixel hit finder: keeps shots without a hit away from the network.

Most pulses of a single-particle experiment miss everything (98 % in Shi et
al., IUCrJ 2019). A shot is a hit when enough pixels saw light.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings


class HitFinding(Settings):
    """When a shot counts as a hit.

    Parameters
    ----------
    enabled : bool
        If false every shot goes to the network.
    lit_above_photons : float
        A good pixel of the crop is lit above this many photons; several times
        the read noise, below one photon.
    minimum_lit_pixels : int
        Lit pixels of a whole crop that make a hit; of a crop with bad pixels, as many
        fewer as it has fewer good ones.
    """

    enabled: bool = True
    lit_above_photons: float = Field(default=0.7, gt=0)
    minimum_lit_pixels: int = Field(default=100, ge=1)

    def on_area(self, live_share: float) -> HitFinding:
        """Return what makes a hit on a part of the crop.

        Parameters
        ----------
        live_share : float
            Good pixels of the crop over all of it, 0 to 1.
        """
        minimum = max(1, round(live_share * self.minimum_lit_pixels))
        return self.model_copy(update={"minimum_lit_pixels": minimum})

    def words(self, live_share: float) -> str:
        """Say how many lit pixels make a hit on a part of the crop, and why so many."""
        if not self.enabled:
            return "every shot is a hit (hit_finder.enabled: false)"
        own, part = self.minimum_lit_pixels, self.on_area(live_share)
        words = f"{part.minimum_lit_pixels} lit pixels make a hit"
        if part == self:
            return words
        return f"{words} ({own} of the whole crop, of which {live_share:.1%} are good)"


def count_lit(
    photons: npt.NDArray[np.float32], lit_above_photons: float
) -> npt.NDArray[np.int32]:
    """Count the lit pixels of crops (B, h, w), photons per pixel; NaN is never lit."""
    lit: npt.NDArray[np.int32] = (photons > lit_above_photons).sum(
        axis=(1, 2), dtype=np.int32
    )
    return lit


def is_hit(lit: npt.NDArray[np.int32], settings: HitFinding) -> npt.NDArray[np.bool_]:
    """Return which shots (B,) are hits, by their numbers of lit pixels.

    `settings` are those of the area that was counted, see `HitFinding.on_area`.
    """
    if not settings.enabled:
        return np.ones(len(lit), bool)
    return lit >= settings.minimum_lit_pixels
