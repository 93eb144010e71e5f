"""From expected photons to what a detector reads.

Order of effects: fluence jitter, Poisson, Gaussian read noise; the mask comes
last and is the reader's business (masked pixels are set to 0 here).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings

LARGEST_POISSON_MEAN = 1e8


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
    """

    jitter_shape: float = Field(default=2.5, ge=0)
    jitter_limits: tuple[float, float] = (0.1, 4.0)
    shot_noise: bool = True
    read_noise_photons: float = Field(default=0.15, ge=0)


NO_NOISE = Noise(jitter_shape=0.0, shot_noise=False, read_noise_photons=0.0)


def draw_jitter(random: np.random.Generator, noise: Noise) -> float:
    """Draw the fluence of one shot in units of the mean."""
    if noise.jitter_shape == 0:
        return 1.0
    drawn = random.gamma(noise.jitter_shape, 1.0 / noise.jitter_shape)
    return float(np.clip(drawn, *noise.jitter_limits))


def measure(
    random: np.random.Generator,
    expected: npt.NDArray[np.float32],
    noise: Noise,
    mask: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float32]:
    """Draw one shot.

    Parameters
    ----------
    random : Generator
    expected : (H, W) float32, expected photons per pixel at mean fluence
    noise : Noise
    mask : (H, W) bool
        True where bad; such pixels read 0.

    Returns
    -------
    (H, W) float32, photons per pixel
    """
    photons = expected * np.float32(draw_jitter(random, noise))
    if noise.shot_noise:
        bounded = np.minimum(photons, LARGEST_POISSON_MEAN)
        photons = random.poisson(bounded).astype(np.float32)
    if noise.read_noise_photons > 0:
        read = random.standard_normal(photons.shape, np.float32)
        photons += read * np.float32(noise.read_noise_photons)
    photons[mask] = 0
    return photons
