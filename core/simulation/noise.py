"""From expected photons to what a detector reads.

Order of effects: fluence jitter, hot pixels, Poisson, Gaussian read noise, gain and
offset, mask (bad pixels read 0).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings
from specklenn.core.simulation.ranges import RangeFromZero

LARGEST_POISSON_MEAN = 1e8

HOT_STREAM = 4
"""Keeps the choice of hot pixels apart from other random numbers of a seed."""


class Noise(Settings):
    """What happens to expected photons.

    Parameters
    ----------
    jitter_shape : float
        Shape of the gamma distribution of the fluence, mean 1; 0 for a steady
        beam. The default stands in for Fig. 5 of the paper.
    jitter_limits : (lowest, highest)
        The drawn fluence is clipped to these.
    shot_noise : bool
        Whether photons are counted (Poisson).
    read_noise_photons : float
        Standard deviation of the read noise per pixel.
    hot_pixels : float
        Share of pixels that are always bright; which ones depends on the seed of
        the experiment alone. They are deliberately not masked.
    hot_photons : float
        Mean photons of a hot pixel in every shot.
    adu_per_photon, offset_adu : float
        What the detector reads for n photons is offset + n * gain.
    """

    jitter_shape: float = Field(default=2.5, ge=0)
    jitter_limits: RangeFromZero = (0.1, 4.0)
    shot_noise: bool = True
    read_noise_photons: float = Field(default=0.15, ge=0)
    hot_pixels: float = Field(default=0.0, ge=0, le=0.1)
    hot_photons: float = Field(default=50.0, ge=0)
    adu_per_photon: float = Field(default=1.0, gt=0)
    offset_adu: float = 0.0

    @property
    def counts_photons(self) -> bool:
        """Whether every pixel reads a whole number of photons."""
        exact = self.read_noise_photons == 0 and self.adu_per_photon == 1
        return self.shot_noise and exact and self.offset_adu == 0


NO_NOISE = Noise(jitter_shape=0.0, shot_noise=False, read_noise_photons=0.0)


def draw_jitter(random: np.random.Generator, noise: Noise) -> float:
    """Draw the fluence of one shot in units of the mean."""
    if noise.jitter_shape == 0:
        return 1.0
    drawn = random.gamma(noise.jitter_shape, 1.0 / noise.jitter_shape)
    return float(np.clip(drawn, *noise.jitter_limits))


class Readout:
    """A detector with its noise and its bad pixels.

    Parameters
    ----------
    noise : Noise
    mask : (...) bool
        True where bad; such pixels read 0.
    seed : int
        Says which pixels are hot.
    """

    def __init__(self, noise: Noise, mask: npt.NDArray[np.bool_], seed: int) -> None:
        self.mask = mask
        self._noise = noise
        random = np.random.default_rng([seed, HOT_STREAM])
        self._hot = (random.random(mask.shape) < noise.hot_pixels) & ~mask

    def measure(
        self,
        random: np.random.Generator,
        expected: npt.NDArray[np.float32],
        jitter: float = 1.0,
    ) -> npt.NDArray[np.float32]:
        """Draw what the detector reads.

        Parameters
        ----------
        random : Generator
        expected : (...) float32, photons per pixel at mean fluence
            Pixels of the mask's shape.
        jitter : float
            Fluence of this shot in units of the mean.

        Returns
        -------
        (...) float32
            Photons, or ADU where the noise says how many a photon has.
        """
        noise = self._noise
        photons = expected * np.float32(jitter)
        photons[self._hot] += np.float32(noise.hot_photons)
        if noise.shot_noise:
            bounded = np.minimum(photons, LARGEST_POISSON_MEAN)
            photons = random.poisson(bounded).astype(np.float32)
        if noise.read_noise_photons > 0:
            read = random.standard_normal(photons.shape, np.float32)
            photons += read * np.float32(noise.read_noise_photons)
        if noise.adu_per_photon != 1 or noise.offset_adu != 0:
            photons = photons * np.float32(noise.adu_per_photon)
            photons += np.float32(noise.offset_adu)
        photons[self.mask] = 0
        return photons
