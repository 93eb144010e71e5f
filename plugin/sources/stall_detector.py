"""Watches a stream of messages: silence, and messages that cannot be used."""

from __future__ import annotations

import logging
import time

from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

REFUSED_IN_A_ROW = 3
"""Messages without a usable one between them that are a reason to say so."""

LOG_INTERVAL_S = 1.0
"""Between two lines about messages that cannot be used."""


class StallDetector:
    """What a stream's `stall_reason` says.

    Parameters
    ----------
    where : str
        Endpoints, for people.
    silent_after_s : float
        Silence after which there is a reason.
    clock : Clock
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

    @property
    def silent_s(self) -> float:
        """Seconds since shots came, or since the beginning."""
        return self._clock.monotonic() - self._heard_s

    @property
    def stall_reason(self) -> str:
        """A sentence, the same as long as the same is wrong; empty if nothing is."""
        if self.silent_s > self._silent_after_s:
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
