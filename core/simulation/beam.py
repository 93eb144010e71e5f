"""The X-ray pulse in the focus, and where particles cross it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from specklenn.core.settings import Settings

Vectors = npt.NDArray[np.float64]

ANGSTROM_PER_M = 1e10


class Beam(Settings):
    """The X-ray pulse in the focus.

    Parameters
    ----------
    photons_per_pulse : float
        Photons in the whole focus; 1e12 is the benchmark.
    profile : {"disc", "gaussian"}
        How the photons are spread over the focus.
    focus_radius_m : float
        Radius of the disc.
    focus_fwhm_m : float or None
        Full width at half maximum of the Gaussian; needed for it.
    stream_radius_m : float or None
        Particles cross a Gaussian focus anywhere within this distance from its
        middle, evenly over the area; one full width by default.
    """

    photons_per_pulse: float = Field(default=1e12, gt=0)
    profile: Literal["disc", "gaussian"] = "disc"
    focus_radius_m: float = Field(default=0.5e-6, gt=0)
    focus_fwhm_m: float | None = Field(default=None, gt=0)
    stream_radius_m: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _complete(self) -> Beam:
        gaussian = self.profile == "gaussian"
        if gaussian and self.focus_fwhm_m is None:
            raise ValueError("focus_fwhm_m: a Gaussian focus needs its width")
        if not gaussian and (self.focus_fwhm_m or self.stream_radius_m):
            raise ValueError(
                "focus_fwhm_m, stream_radius_m: only with profile: gaussian"
            )
        return self

    @property
    def fluence(self) -> float:
        """Photons per square angstrom: in the disc, or at the Gaussian's peak."""
        if self.focus_fwhm_m is None:
            area_m2 = np.pi * self.focus_radius_m**2
        else:
            area_m2 = np.pi * self.focus_fwhm_m**2 / (4 * np.log(2))
        return float(self.photons_per_pulse / (area_m2 * ANGSTROM_PER_M**2))

    @property
    def reach_angstrom(self) -> float:
        """Distance from the middle within which particles are hit, angstrom."""
        if self.focus_fwhm_m is None:
            return self.focus_radius_m * ANGSTROM_PER_M
        return (self.stream_radius_m or self.focus_fwhm_m) * ANGSTROM_PER_M

    def fluence_at(self, positions: Vectors) -> Vectors:
        """Return the fluence at some places, (k,) photons per square angstrom.

        The positions (k, 3), angstrom, are from the middle of the focus, z along the
        beam.
        """
        if self.focus_fwhm_m is None:
            return np.full(len(positions), self.fluence)
        width = self.focus_fwhm_m * ANGSTROM_PER_M
        squared = (positions[:, :2] ** 2).sum(axis=1)
        fluence: Vectors = self.fluence * np.exp(-4 * np.log(2) * squared / width**2)
        return fluence

    def draw_place(self, random: np.random.Generator) -> Vectors:
        """Draw where a lone particle or an aggregate crosses, (3,) angstrom.

        A disc is even, so its middle stands for all of it.
        """
        if self.focus_fwhm_m is None:
            return np.zeros(3)
        radius = self.reach_angstrom * np.sqrt(random.random())
        angle = random.uniform(0.0, 2 * np.pi)
        return np.array([radius * np.cos(angle), radius * np.sin(angle), 0.0])
