"""The ways in which a beamline writes when a shot happened."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

TimestampFormat = Literal["psana", "unix_s", "unix_ns"]

SECONDS_TO_1990 = 631152000
"""From the Unix epoch to psana's, 1990-01-01."""

LOW_32_BITS = 2**32 - 1


def unix_ns(
    stamps: npt.NDArray[Any], written: TimestampFormat
) -> npt.NDArray[np.uint64]:
    """Return times as nanoseconds since the Unix epoch; 0 where there is none.

    Parameters
    ----------
    stamps : (B,) numbers
        NaN and negative values are no times.
    written : {"psana", "unix_s", "unix_ns"}
        psana: seconds since 1990-01-01 in the upper 32 bits, nanoseconds in the
        lower; else Unix epoch, seconds or nanoseconds.
    """
    ticks = np.rint(stamps * 1e9) if written == "unix_s" else stamps
    approximate = ticks.astype(np.float64)
    good = (approximate >= 0) & (approximate < 2.0**63)
    whole = np.where(good, ticks, 0).astype(np.uint64)
    if written != "psana":
        return whole
    seconds = (whole >> np.uint64(32)) + np.uint64(SECONDS_TO_1990)
    nanoseconds = whole & np.uint64(LOW_32_BITS)
    times = seconds * np.uint64(10**9) + nanoseconds
    return np.where(good & (nanoseconds < 10**9), times, np.uint64(0))
