"""The geometry of a flat detector behind the interaction point.

Beam along +z, rows along -y (row 0 is the top of the picture), columns along
+x, pixel centres, the beam in the middle of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.settings import Settings

HC_EV_ANGSTROM = 12398.4198
CLASSICAL_ELECTRON_RADIUS_ANGSTROM = 2.8179403e-5


class Detector(Settings):
    """A flat detector; the defaults are the benchmark geometry (docs/physics.md).

    Parameters
    ----------
    photon_energy_eV : float
    distance_m : float
        From the interaction point to the detector plane.
    pixel_size_m : float
    rows, columns : int
    beam_stop_rows, beam_stop_columns : int
        Size of the rectangle without signal in the centre, pixels.
    gap_columns, gap_rows : int
        Width of the vertical and of the horizontal gap through the centre, pixels.
    """

    photon_energy_eV: float = Field(default=1660.0, gt=0)
    distance_m: float = Field(default=0.1, gt=0)
    pixel_size_m: float = Field(default=450e-6, gt=0)
    rows: int = Field(default=172, ge=8, le=4096)
    columns: int = Field(default=172, ge=8, le=4096)
    beam_stop_rows: int = Field(default=6, ge=0)
    beam_stop_columns: int = Field(default=8, ge=0)
    gap_columns: int = Field(default=4, ge=0)
    gap_rows: int = Field(default=0, ge=0)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength, angstrom."""
        return HC_EV_ANGSTROM / self.photon_energy_eV

    def pixel_positions_m(self) -> npt.NDArray[np.float64]:
        """Return pixel centres, (H, W, 3) float64, metres from the interaction."""
        rows = np.arange(self.rows) - (self.rows - 1) / 2
        columns = np.arange(self.columns) - (self.columns - 1) / 2
        y, x = np.meshgrid(-rows, columns, indexing="ij")
        z = np.full_like(x, self.distance_m / self.pixel_size_m)
        return np.stack((x, y, z), axis=-1) * self.pixel_size_m

    def scattering_vectors(self) -> npt.NDArray[np.float64]:
        """Return q on the Ewald sphere, (H, W, 3) float64, 1/angstrom.

        q = (2 pi / wavelength) (k_out - k_in) with unit vectors k.
        """
        positions = self.pixel_positions_m()
        outgoing = positions / np.linalg.norm(positions, axis=-1, keepdims=True)
        wave_number = 2 * np.pi / self.wavelength_angstrom
        q: npt.NDArray[np.float64] = (outgoing - [0.0, 0.0, 1.0]) * wave_number
        return q

    def solid_angles(self) -> npt.NDArray[np.float64]:
        """Return pixel^2 D / r^3, (H, W) float64, steradian."""
        distance = np.linalg.norm(self.pixel_positions_m(), axis=-1)
        angles: npt.NDArray[np.float64] = (
            self.pixel_size_m**2 * self.distance_m / distance**3
        )
        return angles

    def polarisation(self) -> npt.NDArray[np.float64]:
        """Return 1 - (x / r)^2 for a horizontally polarised beam, (H, W) float64."""
        positions = self.pixel_positions_m()
        distance = np.linalg.norm(positions, axis=-1)
        factor: npt.NDArray[np.float64] = 1.0 - (positions[..., 0] / distance) ** 2
        return factor

    def cross_sections(self) -> npt.NDArray[np.float64]:
        """Return r_e^2 dOmega P per pixel, (H, W) float64, square angstrom.

        Times the fluence in photons per square angstrom and |F|^2 in electrons
        squared this is the expected number of photons.
        """
        angles = self.solid_angles() * self.polarisation()
        return angles * CLASSICAL_ELECTRON_RADIUS_ANGSTROM**2

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return the pixels without signal, (H, W) bool, True where bad."""
        bad = np.zeros(self.shape, bool)
        bad[
            _middle(self.rows, self.beam_stop_rows),
            _middle(self.columns, self.beam_stop_columns),
        ] = True
        bad[:, _middle(self.columns, self.gap_columns)] = True
        bad[_middle(self.rows, self.gap_rows), :] = True
        return bad


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """A detector's pixels as flat arrays, made once and used for many patterns.

    Parameters
    ----------
    shape : (H, W)
    q : (P, 3) float64, 1/angstrom
        Scattering vectors, P = H W.
    lengths : (P,) float64, 1/angstrom
        Their lengths, 4 pi sin(theta) / wavelength.
    cross_sections : (P,) float64, square angstrom
    x, y : (P,) float64, pixels
        Pixel centres from the beam, x to the right, y up.
    """

    shape: tuple[int, int]
    q: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.float64]
    cross_sections: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]

    @classmethod
    def of(cls, detector: Detector) -> Geometry:
        """Work out the pixels of a detector."""
        q = detector.scattering_vectors().reshape(-1, 3)
        positions = detector.pixel_positions_m().reshape(-1, 3) / detector.pixel_size_m
        return cls(
            shape=detector.shape,
            q=q,
            lengths=np.linalg.norm(q, axis=1),
            cross_sections=detector.cross_sections().ravel(),
            x=positions[:, 0],
            y=positions[:, 1],
        )


def _middle(length: int, width: int) -> slice:
    """Return the slice of ``width`` pixels in the middle of ``length``."""
    first = (length - min(width, length)) // 2
    return slice(first, first + min(width, length))
