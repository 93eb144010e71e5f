"""What a result row says about a shot besides its label."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag

import numpy as np
import numpy.typing as npt


class Flag(IntFlag):
    """Bits of the ``flags`` field of a result row.

    A shot with any of the `SKIPS` cannot be classified: it is counted under the
    first of its reasons and never reaches the network. A shot that is called unknown
    is `REJECTED`, and `FAR` or `UNSURE` or both say why: it is far from every class, or
    none is probable.
    """

    UNREADABLE = 1
    WRONG_SHAPE = 2
    NOT_FINITE = 4
    ALL_MASKED = 8
    EMPTY = 16
    FLAT = 32
    FAILED = 64
    NO_HIT = 256
    REJECTED = 512
    FAR = 1024
    UNSURE = 2048

    @property
    def bits(self) -> np.uint16:
        """The flag in the data type of the field."""
        return np.uint16(self.value)


REASONS = {
    Flag.UNREADABLE: "unreadable",
    Flag.WRONG_SHAPE: "wrong shape",
    Flag.NOT_FINITE: "NaN or absurd pixels",
    Flag.ALL_MASKED: "all masked",
    Flag.EMPTY: "empty",
    Flag.FLAT: "flat",
    Flag.FAILED: "failed in classification",
}
"""Words for people, one per reason to skip."""

NAMES = {
    **REASONS,
    Flag.NO_HIT: "no-hit",
    Flag.REJECTED: "rejected",
    Flag.FAR: "far",
    Flag.UNSURE: "unsure",
}
"""Words for people, one per flag."""

SKIPS = tuple(REASONS)

SKIP_BITS = np.uint16(sum(SKIPS))


def is_skipped(flags: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    """Return which shots (B,) cannot be classified, by their flags."""
    skipped: npt.NDArray[np.bool_] = (flags & SKIP_BITS) != 0
    return skipped


def skip_reasons(flags: npt.NDArray[np.uint16]) -> npt.NDArray[np.str_]:
    """Return why shots (B,) cannot be classified, (B,) str; empty where they can.

    The first reason where there are several, as in `count_reasons`.
    """
    return _words(flags, lambda flag: REASONS[_lowest(flag)], SKIP_BITS)


def flag_names(flags: npt.NDArray[np.uint16]) -> npt.NDArray[np.str_]:
    """Return the names of all flags of shots (B,), (B,) str, as "rejected, far"."""
    return _words(flags, _all_names, ~np.uint16(0))


def count_reasons(flags: npt.NDArray[np.uint16]) -> dict[str, int]:
    """Count skipped shots by their first reason; reasons that never came are absent."""
    bits = flags & SKIP_BITS
    lowest = bits & (~bits + np.uint16(1))
    values, counts = np.unique(lowest[lowest != 0], return_counts=True)
    return {
        REASONS[Flag(int(value))]: int(count)
        for value, count in zip(values, counts, strict=True)
    }


def _words(
    flags: npt.NDArray[np.uint16], words: Callable[[int], str], mask: np.uint16
) -> npt.NDArray[np.str_]:
    """Return a text for each shot, made once for every value; empty where it is 0."""
    values, which = np.unique(np.asarray(flags) & mask, return_inverse=True)
    texts = [words(value) if value else "" for value in values.tolist()]
    return np.array(texts or [""])[which]


def _lowest(flags: int) -> Flag:
    return Flag(flags & -flags)


def _all_names(flags: int) -> str:
    """Return the names of the bits; those of a later version by their numbers."""
    bits = [1 << place for place in range(16) if flags >> place & 1]
    return ", ".join(NAMES.get(Flag(bit), f"bit {bit}") for bit in bits)
