"""The detector behind the interaction point: what its pixels see of the scattering.

Beam along +z, polarised along x; where the pixels are is in
`specklenn.core.simulation.layout`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.simulation.layout import Layout
from specklenn.core.simulation.pixels import Mask

HC_EV_ANGSTROM = 12398.4198
CLASSICAL_ELECTRON_RADIUS_ANGSTROM = 2.8179403e-5


class Detector(Layout):
    """A detector in the X-rays; the defaults are the benchmark (docs/physics.md).

    Its pixels are described by the parameters of `Layout`, in the same group.

    Parameters
    ----------
    photon_energy_eV : float
        Energy of the X-rays, electronvolts; it gives their wavelength.
    """

    photon_energy_eV: float = Field(default=1660.0, gt=0)

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength, angstrom."""
        return HC_EV_ANGSTROM / self.photon_energy_eV

    def scattering_vectors(self) -> npt.NDArray[np.float64]:
        """Return q on the Ewald sphere, (*shape, 3) float64, 1/angstrom.

        q = (2 pi / wavelength) (k_out - k_in) with unit vectors k.
        """
        positions = self.pixel_positions_m()
        outgoing = positions / np.linalg.norm(positions, axis=-1, keepdims=True)
        wave_number = 2 * np.pi / self.wavelength_angstrom
        q: npt.NDArray[np.float64] = (outgoing - [0.0, 0.0, 1.0]) * wave_number
        return q

    def steps(self) -> npt.NDArray[np.float64]:
        """Return how q changes across a pixel, (2, *shape, 3) float64, 1/angstrom.

        From edge to edge, towards the next column and towards the next row:
        (2 pi / wavelength) (p / r) (e - k (k . e)) with p the pixel's size, r its
        distance, k the outgoing and e the pixel's own direction, unit vectors.
        """
        positions = self.pixel_positions_m()
        distance = np.linalg.norm(positions, axis=-1, keepdims=True)
        outgoing = positions / distance
        along = self.directions()
        radial = (along * outgoing).sum(axis=-1, keepdims=True) * outgoing
        wave_number = 2 * np.pi / self.wavelength_angstrom
        scale = wave_number * self.binned_pixel_size_m / distance
        steps: npt.NDArray[np.float64] = (along - radial) * scale
        return steps

    def solid_angles(self) -> npt.NDArray[np.float64]:
        """Return pixel^2 D / r^3, (*shape) float64, steradian; D is the pixel's z."""
        positions = self.pixel_positions_m()
        distance = np.linalg.norm(positions, axis=-1)
        angles: npt.NDArray[np.float64] = (
            self.binned_pixel_size_m**2 * positions[..., 2] / distance**3
        )
        return angles

    def polarisation(self) -> npt.NDArray[np.float64]:
        """Return 1 - (x / r)^2 for a horizontally polarised beam, (*shape) float64."""
        positions = self.pixel_positions_m()
        distance = np.linalg.norm(positions, axis=-1)
        factor: npt.NDArray[np.float64] = 1.0 - (positions[..., 0] / distance) ** 2
        return factor

    def cross_sections(self) -> npt.NDArray[np.float64]:
        """Return r_e^2 dOmega P per pixel, (*shape) float64, square angstrom.

        Times the fluence in photons per square angstrom and |F|^2 in electrons
        squared this is the expected number of photons.
        """
        angles = self.solid_angles() * self.polarisation()
        return angles * CLASSICAL_ELECTRON_RADIUS_ANGSTROM**2


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """A detector's pixels as flat arrays, made once and used for many patterns.

    Parameters
    ----------
    shape : (H, W) or (modules, H, W)
    q : (P, 3) float64, 1/angstrom
        Scattering vectors, P = H W or modules H W.
    lengths : (P,) float64, 1/angstrom
        Lengths of the scattering vectors, 4 pi sin(theta) / wavelength.
    steps : (2, P, 3) float64, 1/angstrom
        Change of q from one edge of a pixel to the other, towards the next column
        and towards the next row.
    cross_sections : (P,) float64, square angstrom
    bad : (P,) bool
        Pixels without signal.
    x, y : (P,) float64, pixels
        Pixel centres from the beam, x to the right, y up.
    """

    shape: tuple[int, ...]
    q: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.float64]
    steps: npt.NDArray[np.float64]
    cross_sections: npt.NDArray[np.float64]
    bad: Mask
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]

    @classmethod
    def of(cls, detector: Detector) -> Geometry:
        """Work out the pixels of a detector."""
        q = detector.scattering_vectors().reshape(-1, 3)
        positions = detector.pixel_positions_m().reshape(-1, 3)
        positions /= detector.binned_pixel_size_m
        return cls(
            shape=detector.shape,
            q=q,
            lengths=np.linalg.norm(q, axis=1),
            steps=detector.steps().reshape(2, -1, 3),
            cross_sections=detector.cross_sections().ravel(),
            bad=detector.mask().ravel(),
            x=positions[:, 0],
            y=positions[:, 1],
        )

    @property
    def sampled_radius_angstrom(self) -> float:
        """Largest radius of a particle whose intensity is sampled at Nyquist.

        The intensity of a particle of radius R varies in q no faster than with
        period 2 pi / (2 R); two samples per period leave |dq| <= pi / (2 R) between
        good pixels. For small angles R = wavelength D / (4 p). 0 where no pixel is
        good.
        """
        good = self.steps[:, ~self.bad]
        largest = float(np.linalg.norm(good, axis=-1).max(initial=0.0))
        return np.pi / (2 * largest) if largest else 0.0
