"""How many detector units a photon has, by what pixels without much light read.

Two ways. **The single-photon peak**: most pixels read their pedestal with noise on both
sides alike, some one photon more. What the histogram has on the right of the pedestal
and not, mirrored, on the left are photons, and its highest peak is one photon. **Photon
transfer**, where noise or charge sharing hide the peak: of two neighbours that see the
same light, half the mean square of the difference is

    noise**2 + gain * mean + (contrast * mean)**2

by counting statistics; charge that is shared between them makes the gain too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from specklenn.core.survey.pixel_values import PixelValues, Residuals, residuals_of

BINS_PER_WIDTH = 5
"""Of the histogram, in a standard deviation of the pedestal."""

REACH = 500
"""Widths of the pedestal up to which a photon is looked for."""

NEAREST = 2.2
"""Widths between pedestal and photons below which they cannot be told apart."""

BROADEST = 2.0
"""Widths of the pedestal that the smoothed peak may have; broader is no peak."""

RESOLVED = 0.4
"""Width of the smoothed peak over its distance from the pedestal: beyond it, the peaks
of several photons make one.
"""

SIGNIFICANT = 5.0
FEWEST_PHOTONS = 100

TRANSFER_GROUPS = 20
FEWEST_IN_GROUP = 50
TRANSFER_SIGNIFICANT = 10.0
TRANSFER_ERROR = 0.5
"""Share of the gain that photon transfer may be wrong by, however many the photons."""

PEAK_OVER_TRANSFER = 0.3, 5.0
"""What the peak may be in units of the gain by photon transfer."""

ROUNDING = 0.25
"""By how many detector units whole numbers hide a peak."""

Way = Literal["single-photon peak", "steps between values", "photon transfer"]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Detector units of a photon.

    Parameters
    ----------
    adu : float
    uncertainty : float
        Of it, one standard deviation.
    pedestal : float
        Middle of the pedestals, detector units.
    pedestal_uncertainty : float
        What light in every shot may have added to it at most.
    pedestal_spread : float
        Standard deviation of the pedestals from pixel to pixel.
    noise : float
        Read noise, standard deviation.
    way : str
    """

    adu: float
    uncertainty: float
    pedestal: float
    pedestal_uncertainty: float
    pedestal_spread: float
    noise: float
    way: Way


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The single-photon peak.

    Parameters
    ----------
    photon, uncertainty : float
        Its distance from the pedestal, detector units.
    noise : float
        Standard deviation of the pedestal.
    """

    photon: float
    uncertainty: float
    noise: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Histogram of what pixels read above their pedestal.

    Parameters
    ----------
    centres : (n,) float64
        Middles of the bins, detector units.
    counts : (n,) float64
    """

    centres: Numbers
    counts: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class GainMeasurement:
    """What pixel values say of a detector's gain.

    Parameters
    ----------
    gain : Gain or None
        None where they do not tell it.
    spectrum : Spectrum or None
        None where no shots are dark, or the detector has no noise.
    """

    gain: Gain | None
    spectrum: Spectrum | None


def measure_gain(pixels: PixelValues) -> GainMeasurement:
    """Return how many detector units a photon has."""
    residuals = residuals_of(pixels.values())
    if residuals is None:
        return GainMeasurement(gain=None, spectrum=None)
    if residuals.width == 0:
        return GainMeasurement(gain=_by_steps(residuals), spectrum=None)
    spectrum = spectrum_of(residuals, pixels.whole_numbers)
    transfer, peak = photon_transfer(residuals), single_photon(spectrum)
    gain: Gain | None = None
    if peak is not None and _of_one_kind(peak.photon, transfer):
        rounding = ROUNDING if pixels.whole_numbers else 0.0
        gain = _gain(
            residuals,
            peak.photon,
            float(np.hypot(peak.uncertainty, rounding)),
            peak.noise,
            "single-photon peak",
        )
    elif transfer is not None:
        gain = _gain(residuals, *transfer, residuals.width, "photon transfer")
    return GainMeasurement(gain=gain, spectrum=spectrum)


def _of_one_kind(photon: float, transfer: tuple[float, float] | None) -> bool:
    """Return whether a peak is that of one photon, as far as statistics tell."""
    if transfer is None:
        return True
    low, high = PEAK_OVER_TRANSFER
    return low < photon / transfer[0] < high


def _gain(
    residuals: Residuals, adu: float, uncertainty: float, noise: float, way: Way
) -> Gain:
    low, pedestal, high = np.percentile(residuals.pedestals, (16, 50, 84)).tolist()
    by_light = (
        (1 + TRANSFER_ERROR) * noise**2 / adu if way == "photon transfer" else 0.0
    )
    return Gain(
        adu=adu,
        uncertainty=uncertainty,
        pedestal=pedestal,
        pedestal_uncertainty=by_light,
        pedestal_spread=(high - low) / 2,
        noise=noise,
        way=way,
    )


def _by_steps(residuals: Residuals) -> Gain | None:
    """Return the step between values without noise, where all are whole steps."""
    changes = np.diff(residuals.light, axis=0)  # of which no pedestal is part
    away = np.abs(changes[changes != 0])
    if len(away) < FEWEST_PHOTONS:
        return None
    step = float(np.percentile(away, 1))
    steps = away / step
    whole = np.abs(steps - np.rint(steps)) < 0.02
    if whole.mean() < 0.95 or (np.rint(steps) < 1).any():
        return None
    return _gain(residuals, step, 0.0, 0.0, "steps between values")


def spectrum_of(residuals: Residuals, whole_numbers: bool) -> Spectrum:
    """Return the histogram around the pedestal.

    Parameters
    ----------
    residuals : Residuals
    whole_numbers : bool
        Whether the detector gives whole numbers, which are spread over their width.
    """
    values = residuals.values.ravel()
    width = residuals.width
    if whole_numbers:
        spread = np.random.default_rng(0).random(values.size, np.float32)
        values = values + spread - np.float32(0.5)
    step = width / BINS_PER_WIDTH
    bins = BINS_PER_WIDTH * REACH
    edges = step * (np.arange(-bins // 10, bins + 1) - 0.5)
    counts, _ = np.histogram(values, edges)
    return Spectrum(centres=(edges[1:] + edges[:-1]) / 2, counts=counts.astype(float))


def single_photon(spectrum: Spectrum) -> Peak | None:
    """Find the pedestal and the peak of one photon; None without one."""
    x, counts = spectrum.centres, spectrum.counts
    start = int(counts.argmax())
    step = x[1] - x[0]
    core = np.abs(x - x[start]) <= 1.2 * BINS_PER_WIDTH * step
    pedestal, noise = _top(x[core], counts[core], np.sqrt(counts[core] + 1))
    if not np.isfinite(pedestal + noise):
        return None
    light, error = _without_mirrored(x, counts, pedestal)
    kernel = _kernel(noise / step / 2)
    smooth = np.convolve(light, kernel, "same")
    smooth_error = np.sqrt(np.convolve(error**2, kernel**2, "same"))
    peak = _highest_peak(x - pedestal, smooth, smooth_error, noise)
    if peak is None:
        return None
    near = np.abs(x - x[peak] - 0.35 * noise) <= 0.85 * noise
    _, width = _top(x[near], smooth[near], smooth_error[near])
    photon = _mode(x, light, x[peak], 0.7 * noise)
    around = np.abs(x - x[peak]) <= 2 * noise
    photons = float(light[around].sum())
    broadest = min(BROADEST * noise, RESOLVED * (photon - pedestal))
    there = abs(photon - x[peak]) < noise and width < broadest  # not where NaN
    if not there or photons < FEWEST_PHOTONS:
        return None
    uncertainty = float(np.sqrt((error[around] ** 2).sum()) / photons * noise)
    return Peak(photon=photon - pedestal, uncertainty=uncertainty, noise=noise)


def _without_mirrored(
    x: Numbers, counts: Numbers, middle: float
) -> tuple[Numbers, Numbers]:
    """Return counts less those as far on the other side, and their standard error."""
    mirrored = np.interp(2 * middle - x, x, counts, left=0, right=0)
    return counts - mirrored, np.sqrt(counts + mirrored + 1)


def _highest_peak(
    x: Numbers, light: Numbers, error: Numbers, noise: float
) -> int | None:
    """Return the bin of the highest peak beyond the pedestal.

    It stands out from what is between it and the pedestal.
    """
    far = np.flatnonzero(x > NEAREST * noise)
    if not len(far):
        return None
    peak = int(far[light[far].argmax()])
    if peak == far[0] or light[peak] < SIGNIFICANT * error[peak]:
        return None
    between = (x > 0.8 * noise) & (np.arange(len(x)) < peak)
    rise = (light[peak] - light[between]) / np.hypot(error[peak], error[between])
    return peak if rise.max(initial=0.0) >= SIGNIFICANT else None


def _top(x: Numbers, counts: Numbers, error: Numbers) -> tuple[float, float]:
    """Return middle and standard deviation of a peak, by a parabola of its logarithm.

    `error` is the standard error of `counts`. NaN where there is no peak.
    """
    some = counts > 0
    if some.sum() < 4:
        return float("nan"), float("nan")
    origin, scale = x[some].mean(), np.ptp(x[some])
    a, b, _ = np.polyfit(
        (x[some] - origin) / scale,
        np.log(counts[some]),
        2,
        w=(counts / error)[some],
    )
    if a >= 0:
        return float("nan"), float("nan")
    return float(origin - scale * b / (2 * a)), float(scale / np.sqrt(-2 * a))


def _mode(x: Numbers, light: Numbers, start: float, width: float) -> float:
    """Return where a smoothed histogram is highest, near a start (mean shift)."""
    middle = start
    for _ in range(30):
        weights = light * np.exp(-0.5 * ((x - middle) / width) ** 2)
        middle = float((weights * x).sum() / weights.sum())
    return middle


def _kernel(width: float) -> Numbers:
    reach = max(1, int(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return np.asarray(kernel / kernel.sum())


def photon_transfer(residuals: Residuals) -> tuple[float, float] | None:
    """Return the detector units of a photon and its uncertainty; None if not told."""
    light = residuals.light.mean(axis=2)
    # What a pair should see in a shot, of which its noise in this shot knows nothing.
    expected = np.maximum(light.mean(axis=1), 0)[:, None] * np.ones_like(light[0])
    for half in (0, 1):
        expected[half::2] *= np.maximum(light[1 - half :: 2].mean(axis=0), 0)
    group = np.searchsorted(
        np.quantile(expected, np.linspace(0, 1, TRANSFER_GROUPS + 1)[1:-1]),
        expected.ravel(),
    )
    square = (residuals.light[..., 0] - residuals.light[..., 1]).ravel() ** 2 / 2
    number, first, second, fourth = (
        np.bincount(group, weights, TRANSFER_GROUPS)
        for weights in (None, light.ravel(), square, square**2)
    )
    many = number >= FEWEST_IN_GROUP
    number, first, second, fourth = (
        each[many] for each in (number, first, second, fourth)
    )
    if len(number) < 5:
        return None
    variance = second / number
    error = np.sqrt(np.maximum(fourth / number - variance**2, 1e-30) / number)
    # Groups in which the rare photon is missing by chance are no more exact.
    error = np.maximum.accumulate(error)
    scale = max(float(np.ptp(first / number)), 1e-30)
    powers = np.stack([(first / number / scale) ** k for k in range(3)], axis=1)
    normal = powers.T @ (powers / error[:, None] ** 2)
    inverse = np.linalg.pinv(normal)
    gain = float((inverse @ (powers.T @ (variance / error**2)))[1]) / scale
    spread = float(np.sqrt(inverse[1, 1])) / scale
    uncertainty = float(np.hypot(spread, TRANSFER_ERROR * gain))
    return (gain, uncertainty) if gain > TRANSFER_SIGNIFICANT * spread else None
