"""Masks of detector pixels: read, stacked and compared with the frames.

In a file 0 is good. A mask is (H, W), or (modules, h, w) stacked as the frames are,
or has one of these for every shot. Integers are bits, by default CXI's: most of them
say that a pixel is bad, some only say what was done to it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.data.frames import Modules, read_frames
from specklenn.core.data.hdf5_file import (
    check_numbers,
    get_dataset,
    open_file,
    read_values,
    title,
)
from specklenn.core.data.virtual import VirtualSources
from specklenn.core.errors import DataError

Mask = npt.NDArray[np.bool_]

MASK = "/entry_1/data_1/mask"

MASKS_AT_ONCE = 16
"""Masks of single shots that are read at once."""

MASKS_LOOKED_AT = 64
"""Masks of single shots, spread over the file, of which the common one is made."""

CXI_BITS = {
    0x1: "invalid",
    0x2: "saturated",
    0x4: "hot",
    0x8: "dead",
    0x10: "shadowed",
    0x20: "in the peak mask",
    0x40: "to be ignored",
    0x80: "bad",
    0x100: "out of the resolution limits",
    0x200: "missing",
    0x400: "noisy",
    0x800: "artefact corrected",
    0x1000: "artefact correction failed",
    0x2000: "peak for the hit finder",
    0x4000: "photon background corrected",
}
"""Meanings of the bits of a mask in the CXI format (Maia, Nature Methods 2012)."""

CXI_INFORMS = 0x800 | 0x2000 | 0x4000
"""CXI's bits of pixels that can be used."""

MaskBits = Literal["cxi", "any"] | Annotated[int, Field(ge=1, lt=2**64)]
"""Bits of an integer mask that make a pixel bad: CXI's, any, or these."""


def is_bad(values: npt.NDArray[Any], bits: MaskBits = "cxi") -> Mask:
    """Return which values of a mask mean a bad pixel, (...) bool."""
    if values.dtype.kind not in "ui" or bits == "any":
        different: Mask = values != 0
        return different
    size = values.dtype.itemsize
    chosen = ~CXI_INFORMS if bits == "cxi" else bits
    unsigned = values.astype(f"u{size}", copy=False)
    found: Mask = (unsigned & unsigned.dtype.type(chosen % 2 ** (8 * size))) != 0
    return found


def read_mask_file(
    path: str | os.PathLike[str],
    dataset: str = MASK,
    shape: tuple[int, int] | None = None,
    bits: MaskBits = "cxi",
) -> Mask:
    """Read a mask from a file of its own.

    It belongs to no shots: of several masks a pixel is bad that is bad in any.

    Parameters
    ----------
    path : path
        HDF5 file.
    dataset : str
    shape : (H, W), optional
        Of the frames; by default that of the mask, its modules stacked.
    bits : MaskBits

    Returns
    -------
    (H, W) bool
        True where a pixel is bad.

    Raises
    ------
    DataError
        If the file or the dataset cannot be read, or the mask has another shape.
    """
    with open_file(path) as file:
        found = get_dataset(file, dataset)
        check_mask(found, shape)
        stacked = _stacked(found.shape)
        if stacked == (shape or stacked):
            return is_bad(_values(found), bits).reshape(stacked)
        bad = np.zeros(_stacked(found.shape[1:]), bool)
        for first in range(0, len(found), MASKS_AT_ONCE):
            masks = _values(found, slice(first, first + MASKS_AT_ONCE))
            bad |= is_bad(masks, bits).any(axis=0).reshape(bad.shape)
        return bad


def check_mask(dataset: h5py.Dataset, shape: tuple[int, int] | None = None) -> None:
    """Refuse a dataset that is no mask of frames of this shape, without reading it.

    Raises
    ------
    DataError
        If it holds no numbers or has another shape.
    """
    check_numbers(dataset, "buif")
    possible = [_stacked(dataset.shape[first:]) for first in range(dataset.ndim - 1)]
    if not possible or (shape is not None and shape not in possible[:2]):
        raise DataError(
            f"{title(dataset)}: mask of shape {dataset.shape}, "
            f"{shape or '(H, W)'} expected"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FileMask:
    """The mask beside the frames of a file: one for all shots, or one for each.

    Parameters
    ----------
    dataset : h5py.Dataset
    shape : (H, W)
        Of the frames.
    bits : MaskBits

    Raises
    ------
    DataError
        If it is no mask of such frames.
    """

    dataset: h5py.Dataset
    shape: tuple[int, int]
    bits: MaskBits

    def __post_init__(self) -> None:
        check_mask(self.dataset, self.shape)

    @property
    def of_every_shot(self) -> bool:
        """Whether every shot has a mask of its own."""
        return _stacked(self.dataset.shape) != self.shape

    def of_shots(self, shots: npt.NDArray[np.int64], modules: Modules | None) -> Mask:
        """Return the masks of some shots, (B, H, W) bool, one for each.

        Parameters
        ----------
        shots : (B,) int64
        modules : sequence of (int, int), optional
            Ranges of modules to read, as of frames; the others are good here.

        Raises
        ------
        DataError
            If one cannot be read.
        """
        if self._virtual:
            self._virtual.check(shots)
        return is_bad(read_frames(self.dataset, shots, modules), self.bits)

    @cached_property
    def _virtual(self) -> VirtualSources | None:
        return VirtualSources(self.dataset) if self.dataset.is_virtual else None

    @cached_property
    def summary(self) -> MaskSummary:
        """What the masks say together; of those of every shot some are looked at.

        They are spread over the file and read one by one, so that no file is too large.
        """
        if not self.of_every_shot:
            values = _values(self.dataset).reshape(self.shape)
            bad = is_bad(values, self.bits)
            return MaskSummary(always=bad, ever=bad, values=values)
        every, number = len(self.dataset), min(MASKS_LOOKED_AT, len(self.dataset))
        always, ever = np.ones(self.shape, bool), np.zeros(self.shape, bool)
        seen = np.zeros(self.shape, self.dataset.dtype)
        for shot in np.linspace(0, every - 1, number).astype(np.int64):
            try:
                values = self._of_shot(shot)
            except DataError:  # its frame is not used either
                continue
            bad = is_bad(values, self.bits)
            always &= bad
            ever |= bad
            seen = seen | values if values.dtype.kind in "bui" else seen
        return MaskSummary(always=always & ever, ever=ever, values=seen)

    def _of_shot(self, shot: np.int64) -> npt.NDArray[Any]:
        if self._virtual:
            self._virtual.check(np.array([shot]))
        return read_values(self.dataset, slice(shot, shot + 1)).reshape(self.shape)

    def words(self) -> str:
        """Say how many pixels are masked, and for which reasons as far as bits tell."""
        found, where = self.summary, title(self.dataset)
        said = f"{found.always.sum()} by {where}"
        if self.of_every_shot:
            said += (
                f", which has a mask for every shot: "
                f"{(found.ever & ~found.always).sum()} more in some of "
                f"{min(len(self.dataset), MASKS_LOOKED_AT)} looked at"
            )
        bits = [bit for bit in CXI_BITS if bit <= _largest(self.dataset.dtype)]
        masking = [
            bit
            for bit in bits
            if self.bits != "any"
            and is_bad(np.array(bit, found.values.dtype), self.bits)
        ]
        named = _bits_in(found.values, found.ever, masking)
        used = _bits_in(found.values, ~found.ever, bits)
        return (
            said
            + (f" ({named})" if named else "")
            + (f"; used: {used}" if used else "")
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskSummary:
    """What the masks of a file say together.

    Parameters
    ----------
    always, ever : (H, W) bool
        Pixels that are bad in every mask, and in any.
    values : (H, W) array
        Bits that a pixel has in any mask.
    """

    always: Mask
    ever: Mask
    values: npt.NDArray[Any]


def _largest(dtype: np.dtype[Any]) -> int:
    """Return the largest integer of a type, 0 for a type without bits."""
    return int(np.iinfo(dtype).max) if dtype.kind in "ui" else 0


def _bits_in(values: npt.NDArray[Any], pixels: Mask, bits: list[int]) -> str:
    """Say how many of some pixels have which of CXI's bits."""
    counts = {
        bit: int(((values & values.dtype.type(bit)) != 0)[pixels].sum()) for bit in bits
    }
    return ", ".join(f"{n} {CXI_BITS[bit]}" for bit, n in counts.items() if n)


def _values(dataset: h5py.Dataset, rows: slice | None = None) -> npt.NDArray[Any]:
    """Read a mask; where a file is missing, HDF5 would call every pixel good."""
    if dataset.is_virtual:
        lost, why = VirtualSources(dataset).missing()
        if lost:
            raise DataError(f"{title(dataset)}: cannot be read: {why}")
    return read_values(dataset, rows)


def _stacked(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of a mask whose modules are stacked from top to bottom."""
    return math.prod(shape[:-1]), shape[-1]
