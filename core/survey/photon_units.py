"""Whether a run's values are the photons that they are taken for, and what to set."""

from __future__ import annotations

from dataclasses import dataclass

from specklenn.core.preprocess import Preprocessor
from specklenn.core.survey.photon_peak import Gain

PHOTONS_GAIN = 0.15
"""Measured gains within this of 1 are of data that are photons already."""

GAIN_OFF = 1.25
"""A gain that is off by this factor is wrong; photons may be shared by pixels."""

TRANSFER_OFF = 10.0
"""The same where only photon transfer tells it."""

OFFSET_OFF = 0.3
"""Photons that an offset may be off."""

UNEVEN_PEDESTALS = 0.3
"""Photons by which pedestals may differ from pixel to pixel, standard deviation."""


@dataclass(frozen=True, kw_only=True)
class PhotonUnits:
    """The calibration of a run, measured and configured.

    Parameters
    ----------
    gain : Gain or None
        What the data say; None where they do not.
    adu_per_photon, offset_adu : float
        What is configured.
    """

    gain: Gain | None
    adu_per_photon: float
    offset_adu: float

    @classmethod
    def of(cls, gain: Gain | None, preprocessor: Preprocessor) -> PhotonUnits:
        """Compare with the calibration of a preprocessor."""
        return cls(
            gain=gain,
            adu_per_photon=preprocessor.adu_per_photon,
            offset_adu=preprocessor.offset_adu,
        )

    @property
    def _sure(self) -> bool:
        return self.gain is not None and self.gain.way != "photon transfer"

    @property
    def gain_is_off(self) -> bool:
        """Whether the configured gain is wrong, beyond doubt."""
        if self.gain is None:
            return False
        ratio = self.gain.adu / self.adu_per_photon
        limit = GAIN_OFF if self._sure else TRANSFER_OFF
        doubt = 3 * self.gain.uncertainty if self._sure else 0.0
        far = abs(self.gain.adu - self.adu_per_photon) > doubt
        return far and not 1 / limit < ratio < limit

    @property
    def offset_is_off(self) -> bool:
        """Whether the configured offset is wrong, beyond doubt."""
        gain = self.gain
        if gain is None or (not self._sure and not self.gain_is_off):
            return False
        off = abs(gain.pedestal - self.offset_adu) - gain.pedestal_uncertainty
        return off > OFFSET_OFF * gain.adu

    @property
    def proposed(self) -> tuple[float, float]:
        """What to set: adu_per_photon and offset_adu."""
        gain = self.gain
        if gain is None:
            return self.adu_per_photon, self.offset_adu
        adu = self.adu_per_photon
        if self.gain_is_off:
            photons = abs(gain.adu - 1) <= PHOTONS_GAIN
            adu = 1.0 if photons else float(f"{gain.adu:.4g}")
        near_zero = abs(gain.pedestal) <= 0.02 * gain.adu
        return adu, 0.0 if near_zero else float(f"{gain.pedestal:.4g}")

    @property
    def settings(self) -> str:
        """What to write on the command line."""
        adu, offset = self.proposed
        return (
            f"--set calibration.adu_per_photon={adu:g} "
            f"--set calibration.offset_adu={offset:g}"
        )

    @property
    def words(self) -> str:
        """What was measured."""
        gain = self.gain
        if gain is None:
            return "no single-photon peak, and too little light to tell the gain"
        name = f"{gain.way} at" if gain.way == "single-photon peak" else f"{gain.way}:"
        uncertainty = f" (+- {gain.uncertainty:.2g})" if gain.uncertainty else ""
        pedestal = f"pedestal {gain.pedestal:.4g}"
        if gain.pedestal_uncertainty:
            pedestal += f" (light may be up to {gain.pedestal_uncertainty:.2g} of it)"
        return (
            f"{name} {gain.adu:.4g}{uncertainty} detector units, {pedestal}, pixel to "
            f"pixel {gain.pedestal_spread:.2g}, noise {gain.noise:.3g}"
        )

    def problem(self) -> str:
        """Return what is wrong with the calibration and what to set; empty if nothing.

        The same values as lines of a configuration and for the command line.
        """
        gain = self.gain
        if gain is None or not (self.gain_is_off or self.offset_is_off):
            return ""
        adu, offset = self.proposed
        doubt = (
            "; photon transfer tells no more than its order, too low where pixels "
            "share charge"
            if gain.way == "photon transfer"
            else ""
        )
        return (
            f"the values are not photons with calibration.adu_per_photon "
            f"{self.adu_per_photon:g} and offset_adu {self.offset_adu:g}: {self.words}"
            f"{doubt}. In the configuration: calibration: {{adu_per_photon: {adu:g}, "
            f"offset_adu: {offset:g}}}; or to try it: {self.settings}"
        )

    def warning(self) -> str:
        """Return what no single offset can mend; empty if nothing."""
        gain = self.gain
        if gain is None or gain.pedestal_spread <= UNEVEN_PEDESTALS * gain.adu:
            return ""
        if not self._sure:  # it may be light
            return ""
        return (
            f"pedestals differ by {gain.pedestal_spread / gain.adu:.2g} photons from "
            "pixel to pixel (standard deviation), which no offset_adu takes away: "
            "subtract dark frames first"
        )
