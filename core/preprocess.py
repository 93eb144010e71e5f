"""From a detector frame to what the network sees.

Two steps, so that shots without a hit never pay for the second: `Preprocessor.crop`
cuts out the centre of the frame, calibrates it to photons and flags the frames that
cannot be classified; `Preprocessor.normalise` bins, stabilises the variance and, unless
the network does it, brings every pattern to zero mean and unit variance over its good
pixels (the paper's "intensity normalised", section 4.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from specklenn.core.errors import ConfigError
from specklenn.core.flags import Flag
from specklenn.core.settings import Settings

LARGEST_PHOTONS = 1e8
"""A good pixel beyond this is an electronic fault, not light."""

BAD_PIXELS_ALLOWED = 0.01
"""Share of unmasked pixels that may be NaN or absurd before a shot is skipped."""

Pictures = npt.NDArray[np.float32]


class Preprocessing(Settings):
    """How patterns are cut and scaled; part of a model, stored with its weights.

    Parameters
    ----------
    crop : int
        Side of the central square that is kept, pixels.
    bin : int
        Pixels summed per side; ``crop`` must be a multiple.
    scale : {"linear", "sqrt", "log1p"}
        Function applied to the photons of a binned pixel; the square root makes
        the shot noise the same everywhere.
    round_photons : bool
        Whether the photons of every pixel are rounded before binning, which takes away
        read noise well below a photon. Patterns that are no counts (expected photons,
        other units) are left as they are.
    standardise : bool
        Whether every pattern is brought to zero mean and unit variance, as in the
        paper, and forgets how bright it was. Otherwise the network gets the scaled
        photons as they are, NaN where bad, and does that itself.
    fill_friedel_mates : bool
        Whether bad pixels of the crop get the photons of the pixel on the other side
        of its centre, where that is good: patterns of weakly scattering particles are
        point-symmetric at small angles. Patterns in training are not filled, so
        measure what it does to a network (docs/missing-area.md).
    centre : (row, column) or None
        Beam position in the frame, pixels; the middle of the frame by default.
    """

    crop: int = Field(default=96, ge=8, le=4096)
    bin: int = Field(default=2, ge=1, le=64)
    scale: Literal["linear", "sqrt", "log1p"] = "sqrt"
    round_photons: bool = False
    standardise: bool = True
    fill_friedel_mates: bool = False
    centre: tuple[float, float] | None = None

    former_keys: ClassVar[Mapping[str, str]] = {
        "fill_mates": "fill_friedel_mates",
        "whole_photons": "round_photons",
    }

    @property
    def input_side(self) -> int:
        """Side of the network's input, pixels."""
        return self.crop // self.bin

    @model_validator(mode="after")
    def _whole_bins(self) -> Preprocessing:
        if self.crop % self.bin:
            raise ValueError(f"crop {self.crop} is not a multiple of bin {self.bin}")
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class CroppedFrames:
    """The centres of some frames, in photons.

    Parameters
    ----------
    photons : (B, crop, crop) float32, photons per pixel
        NaN where masked, or bad in this shot.
    total : (B,) float32
        Photons on the good pixels.
    flags : (B,) uint16
        Why a shot cannot be classified, see `Flag`; 0 where it can.
    """

    photons: Pictures
    total: npt.NDArray[np.float32]
    flags: npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPatterns:
    """Patterns ready for the network.

    Parameters
    ----------
    inputs : (B, side, side) float32
        Zero mean and unit variance over good pixels, 0 at bad ones; or scaled
        photons, NaN at bad pixels, see `Preprocessing.standardise`.
    photons : (B, crop, crop) float32, photons per pixel
        The crop; NaN where bad.
    flags : (B,) uint16
        Why a shot cannot be classified; its input is all zero then.
    """

    inputs: Pictures
    photons: Pictures
    flags: npt.NDArray[np.uint16]


class Preprocessor:
    """Preprocessing bound to one frame shape, mask and calibration.

    Parameters
    ----------
    settings : Preprocessing
    shape : (H, W)
        Shape of the frames.
    mask : (H, W) bool, optional
        True where a pixel is bad.
    adu_per_photon, offset_adu : float
        Calibration, photons = (ADU - offset) / gain.

    Attributes
    ----------
    window : (slice, slice)
        Rows and columns of the frame that are kept.
    adu_per_photon, offset_adu : float
        The calibration.
    calibrated : bool
        Whether the frames are in photons already.
    live_share : float
        Good pixels of the crop over all of it.

    Raises
    ------
    ConfigError
        If the crop does not fit into the frame or the mask has another shape.
    """

    def __init__(
        self,
        settings: Preprocessing,
        shape: tuple[int, int],
        mask: npt.NDArray[np.bool_] | None = None,
        *,
        adu_per_photon: float = 1.0,
        offset_adu: float = 0.0,
    ) -> None:
        self.settings = settings
        self.shape = shape
        self.window = _window(settings, shape)
        full = np.zeros(shape, bool) if mask is None else np.asarray(mask, bool)
        if full.shape != shape:
            raise ConfigError(f"mask of shape {full.shape} for frames of shape {shape}")
        self.mask = full
        self._bad = full[self.window]
        self._good_pixels = int((~self._bad).sum())
        self.live_share = self._good_pixels / settings.crop**2
        self.adu_per_photon, self.offset_adu = adu_per_photon, offset_adu
        self._gain = np.float32(adu_per_photon)
        self._offset = np.float32(offset_adu)
        self.calibrated = adu_per_photon == 1.0 and offset_adu == 0.0

    def with_settings(self, settings: Preprocessing) -> Preprocessor:
        """Return a preprocessor of the same frames, mask and calibration."""
        return Preprocessor(
            settings,
            self.shape,
            self.mask,
            adu_per_photon=self.adu_per_photon,
            offset_adu=self.offset_adu,
        )

    def calibrate(self, frames: npt.NDArray[Any]) -> Pictures:
        """Return frames in photons, float32; what does not fit becomes infinite."""
        with np.errstate(over="ignore"):
            values = frames.astype(np.float32)
        if not self.calibrated:
            values -= self._offset
            values /= self._gain
        return values

    def crop(
        self, frames: npt.NDArray[Any], bad: npt.NDArray[np.bool_] | None = None
    ) -> CroppedFrames:
        """Cut out the centres in photons and flag frames that cannot be classified.

        Parameters
        ----------
        frames : (B, H, W) array, ADU or photons
        bad : (B, H, W) bool, optional
            Pixels that are bad in a frame alone, beside the mask.
        """
        photons = self.calibrate(frames[(slice(None), *self.window)])
        absurd = ~(np.abs(photons) <= LARGEST_PHOTONS)  # NaN and infinity too
        absurd &= ~self._bad
        good_pixels: npt.NDArray[np.int64] | int = self._good_pixels
        if bad is not None:
            own = bad[(slice(None), *self.window)]
            absurd &= ~own
            photons[own] = np.nan
            good_pixels = (~(self._bad | own)).sum(axis=(1, 2))
        photons[:, self._bad] = np.nan
        number_absurd = absurd.sum(axis=(1, 2))
        if number_absurd.any():
            photons[absurd] = np.nan
        flags = np.zeros(len(photons), np.uint16)
        not_finite = number_absurd > BAD_PIXELS_ALLOWED * good_pixels
        flags[not_finite] |= Flag.NOT_FINITE.bits
        flags[np.broadcast_to(good_pixels == 0, flags.shape)] |= Flag.ALL_MASKED.bits
        total, flat = self._sum_and_flatness(photons)
        flat &= flags == 0
        empty = total == 0
        flags[flat & empty] |= Flag.EMPTY.bits
        flags[flat & ~empty] |= Flag.FLAT.bits
        return CroppedFrames(photons=photons, total=total, flags=flags)

    def bin(self, photons: Pictures) -> Pictures:
        """Sum crops to the network's pixels, without scaling.

        Parameters
        ----------
        photons : (B, crop, crop) float32, photons per pixel, NaN where bad

        Returns
        -------
        (B, side, side) float32, photons per bin
            A bin with some bad pixels is scaled up to a full one; NaN where a bin has
            no good pixel.
        """
        if self.settings.fill_friedel_mates:
            photons = np.where(np.isnan(photons), photons[:, ::-1, ::-1], photons)
        good = ~np.isnan(photons)
        filled = np.where(good, photons, np.float32(0))
        if self.settings.round_photons:
            filled = _round_photons(filled)
        width = self.settings.bin
        counts = sum_bins(good.astype(np.float32), width)
        values = scale_up(sum_bins(filled, width), counts, width)
        return np.where(counts > 0, values, np.float32(np.nan))

    def normalise(self, photons: Pictures) -> Pictures:
        """Bin, scale and normalise crops for the network.

        Parameters
        ----------
        photons : (B, crop, crop) float32, photons per pixel, NaN where bad

        Returns
        -------
        (B, side, side) float32
            Bins without any good pixel are 0, the mean, and a flat pattern is all
            zero; or, without `Preprocessing.standardise`, they are NaN.
        """
        values = _SCALES[self.settings.scale](self.bin(photons))
        return _standardised(values) if self.settings.standardise else values

    def _sum_and_flatness(
        self, photons: Pictures
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        good = ~np.isnan(photons)
        zero = np.float32(0)
        total = np.where(good, photons, zero).sum(axis=(1, 2), dtype=np.float64)
        lowest = np.where(good, photons, np.inf).min(axis=(1, 2))
        highest = np.where(good, photons, -np.inf).max(axis=(1, 2))
        return total.astype(np.float32), ~(highest > lowest)


def sum_bins(pictures: Pictures, width: int) -> Pictures:
    """Sum squares of pixels.

    Adding strided pictures is faster than reducing blocks. The order of the additions
    is kept between versions: rounding of 1e-7 in an input becomes 1e-4 in the distance
    of a pattern to itself as a support.

    Parameters
    ----------
    pictures : (..., H, W) float32
        Sides are multiples of ``width``.
    width : int
        Side of a bin, pixels.

    Returns
    -------
    (..., H / width, W / width) float32
    """
    height, side = pictures.shape[-2] // width, pictures.shape[-1] // width
    summed = np.zeros((*pictures.shape[:-2], height, side), np.float32)
    for row in range(width):
        for column in range(width):
            summed += pictures[..., row::width, column::width]
    return summed


def scale_up(
    sums: Pictures, good_pixels: npt.NDArray[Any], width: int
) -> npt.NDArray[np.floating[Any]]:
    """Scale bins with some bad pixels up to full ones.

    Parameters
    ----------
    sums : (..., h, w) float32
        Sums over the good pixels of every bin.
    good_pixels : (..., h, w) array
        How many they are; the result has the precision of their type.
    width : int
        Side of a bin, pixels.
    """
    factor = width**2 / np.maximum(good_pixels, 1)
    scaled: npt.NDArray[np.floating[Any]] = sums * factor
    return scaled


def prepare(
    patterns: npt.NDArray[Any],
    mask: npt.NDArray[np.bool_] | None,
    settings: Preprocessing,
    bad: npt.NDArray[np.bool_] | None = None,
) -> PreparedPatterns:
    """Crop and normalise patterns in photons; see `Preprocessor`.

    Parameters
    ----------
    patterns : (B, H, W) array, photons per pixel
    mask : (H, W) bool or None
        True where bad.
    settings : Preprocessing
    bad : (B, H, W) bool, optional
        Pixels that are bad in a pattern alone.
    """
    height, width = patterns.shape[1:]
    preprocessor = Preprocessor(settings, (height, width), mask)
    cropped = preprocessor.crop(patterns, bad)
    inputs = preprocessor.normalise(cropped.photons)
    inputs[cropped.flags != 0] = 0
    return PreparedPatterns(inputs=inputs, photons=cropped.photons, flags=cropped.flags)


def _round_photons(photons: Pictures) -> Pictures:
    """Round the photons of patterns (B, H, W) that are counts with read noise.

    Those whose values under half a photon have a sum of at most half the sum of their
    absolute values: noise on both sides of zero. Otherwise (expected photons, other
    units, light on every pixel) the pattern is left as it is.
    """
    small = np.where(np.abs(photons) < 0.5, photons, np.float32(0))
    net = small.sum(axis=(1, 2), dtype=np.float64)
    gross = np.abs(small).sum(axis=(1, 2), dtype=np.float64)
    noise = net <= 0.5 * gross
    rounded = np.rint(np.maximum(photons, np.float32(0)))
    return np.where(noise[:, None, None], rounded, photons)


def _standardised(values: Pictures) -> Pictures:
    """Bring pictures to zero mean and unit variance; what is NaN becomes 0."""
    seen = ~np.isnan(values)
    values = np.where(seen, values, np.float32(0))
    number = np.maximum(seen.sum(axis=(1, 2), keepdims=True), 1)
    mean = values.sum(axis=(1, 2), keepdims=True, dtype=np.float64) / number
    centred = np.where(seen, values - mean, 0.0)
    variance = (centred**2).sum(axis=(1, 2), keepdims=True) / number
    deviation = np.sqrt(variance)
    flat = deviation <= 1e-6
    normal = np.where(flat, 0.0, centred / np.where(flat, 1.0, deviation))
    return normal.astype(np.float32)


_SCALES: dict[str, Callable[[Pictures], Pictures]] = {
    "linear": lambda values: values,
    "sqrt": lambda values: np.sqrt(np.maximum(values, np.float32(0))),
    "log1p": lambda values: np.log1p(np.maximum(values, np.float32(0))),
}


def _window(settings: Preprocessing, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the slices of the crop; the pixel edge nearest to the centre."""
    centre = settings.centre or (shape[0] / 2, shape[1] / 2)
    slices = []
    for name, middle, length in zip(("rows", "columns"), centre, shape, strict=True):
        first = round(middle - settings.crop / 2)
        if first < 0 or first + settings.crop > length:
            raise ConfigError(
                f"preprocess.crop: {settings.crop} pixels around {middle:g} do not fit "
                f"into {length} {name} of frames of shape {shape}"
            )
        slices.append(slice(first, first + settings.crop))
    return slices[0], slices[1]
