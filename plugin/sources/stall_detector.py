"""Watches a stream of messages: silence, and messages that cannot be used.

What a worker does with the reason of a stall: `plugin.live.worker`.
"""

from __future__ import annotations

import logging
import time

from specklenn.core.errors import EndOfRun
from specklenn.core.flags import Flag
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

REFUSED_IN_A_ROW = 3
"""Consecutive unusable messages before `stall_reason` is set.

What a worker does then: `specklenn.plugin.live.worker`.
"""

LOG_INTERVAL_S = 1.0
"""Between two lines about messages that cannot be used."""


class UnusableError(Exception):
    """A message of a stream that says something else than expected.

    Parameters
    ----------
    flag : Flag
        What the rows of its shots say.
    """

    def __init__(self, reason: str, flag: Flag = Flag.UNREADABLE) -> None:
        super().__init__(reason)
        self.flag = flag


class StallDetector:
    """What a stream's `stall_reason` says.

    Parameters
    ----------
    where : str
        Endpoints, for people.
    silent_after_s : float
        Silence after which there is a reason.
    """

    def __init__(self, where: str, silent_after_s: float, clock: Clock) -> None:
        self._where = where
        self._silent_after_s = silent_after_s
        self._clock = clock
        self._heard_s = clock.monotonic()
        self._heard_at = ""
        self._refused = 0
        self._first_reason = ""
        self._log_again_s = 0.0

    def restart(self) -> None:
        """Count silence from now on."""
        self._heard_s = self._clock.monotonic()

    def end_if_silent(self, longest_s: float | None) -> None:
        """Take a longer silence for the end of the run; None never does.

        Raises
        ------
        EndOfRun
        """
        if longest_s is not None and self._silent_s > longest_s:
            raise EndOfRun

    @property
    def _silent_s(self) -> float:
        return self._clock.monotonic() - self._heard_s

    @property
    def stall_reason(self) -> str:
        """A sentence, the same as long as the same is wrong; empty if nothing is."""
        if self._silent_s > self._silent_after_s:
            since = f"since {self._heard_at}" if self._heard_at else "yet"
            return f"{self._where}: no message {since}"
        if self._refused >= REFUSED_IN_A_ROW:
            return f"{self._where}: messages cannot be used: {self._first_reason}"
        return ""

    def heard(self, shots: int, reason: str = "") -> None:
        """Note a message with so many shots, and why it cannot be used."""
        self._heard_s = self._clock.monotonic()
        wall_s = self._clock.wall_ns() // 10**9
        self._heard_at = time.strftime("%H:%M:%S", time.localtime(wall_s))
        if not reason:
            self._refused = 0
            return
        if self._refused == 0:
            self._first_reason = reason
        self._refused += 1
        if self._heard_s >= self._log_again_s:
            self._log_again_s = self._heard_s + LOG_INTERVAL_S
            log.warning(
                "%s: a message cannot be used, %d shots skipped: %s",
                self._where,
                shots,
                reason,
            )
