"""Live shots from Karabo bridges, as the European XFEL offers them.

The bridge's own client is not used: its time limit is fixed for good when it is made
and includes the transfer, its REQ socket waits for ever for a reply that got lost, and
it loads pickles out of messages of protocol 1.0. What is in a message is read with the
bridge's own package.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import zmq
from pydantic import Field, field_validator

from specklenn.core.config.endpoints import RemoteEndpoint
from specklenn.core.data.shots import Shots, joined
from specklenn.core.data.sources import ConfigFolder, Share
from specklenn.core.errors import EndOfRun
from specklenn.plugin.parallel.clock import Clock, SystemClock
from specklenn.plugin.sources.euxfel.assembly import Assembled, import_package
from specklenn.plugin.sources.euxfel.bridge_connection import (
    BridgeConnection,
    Pattern,
    wait,
)
from specklenn.plugin.sources.euxfel.bridge_endpoints import EndpointShare, endpoints_of
from specklenn.plugin.sources.euxfel.bridge_train import Train, TrainReader
from specklenn.plugin.sources.euxfel.pulses import TrainSettings

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""For more trains in a batch: one at a time would be classified much more slowly."""


class KaraboBridgeSettings(TrainSettings):
    """A stream of trains from one or several Karabo bridges.

    Parameters
    ----------
    kind : "karabo-bridge"
    endpoints : str or list of str
        Where bridges listen. Worker k connects to the k-th endpoint, from the beginning
        again if there are more workers; endpoints beyond the workers are shared out in
        the same way, so that none is left out.
    pattern : {"REQ", "PULL", "SUB"}
        Counterpart of the bridge's REP, PUSH or PUB socket. REP and PUSH deal the
        trains out. PUB sends every train to everybody and loses what is not taken in
        time: each worker keeps its share of the train ids, and what was lost is
        counted.
    source : str
        Name of the data source that has the pixels.
    trouble_after_s : float
        A missing connection, or silence, after which the monitor says so.
    idle_end_s : float or None
        A worker ends after so long without a shot; never by default, for bridges do not
        say when a run is over.
    shots : int or None
        Shots that will come, for the progress line.
    """

    kind: Literal["karabo-bridge"]
    endpoints: list[RemoteEndpoint] = Field(min_length=1)
    pattern: Pattern = "REQ"
    source: str
    trouble_after_s: float = Field(default=5.0, gt=0)
    idle_end_s: float | None = Field(default=None, gt=0)
    shots: int | None = Field(default=None, ge=1)

    @field_validator("endpoints", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @property
    def expected_shots(self) -> int:
        """Shots that will come, 0 where nobody knows."""
        return self.shots or 0

    def check(self, place: ConfigFolder) -> None:
        """Find a missing package or a geometry that cannot be used."""
        import_package(
            "karabo_bridge",
            "source.kind: karabo-bridge needs the package karabo-bridge",
        )
        self._assembled(place)

    def join(self, share: Share) -> KaraboStream:
        """Connect to this worker's bridges."""
        self.check(share.place)
        if self.pattern == "SUB" and share.worker == 0:
            log.warning(
                "source.pattern: SUB: a bridge's PUB socket loses trains that are not "
                "taken in time, and every worker receives every train; REQ and PULL "
                "lose none"
            )
        return KaraboStream(
            self,
            endpoints_of(self.endpoints, share.worker, share.workers),
            TrainReader(self, self.source, self._assembled(share.place)),
            share,
            SystemClock(),
        )

    def mask(self, place: ConfigFolder) -> npt.NDArray[np.bool_] | None:
        """Return where the assembled picture has no pixel; None for stacked modules."""
        assembled = self._assembled(place)
        return assembled.empty if assembled else None

    def modules(self, place: ConfigFolder) -> int:
        """Return how many modules are stacked, as far as the settings say so."""
        stacked = self.geometry is None and self.only_modules is not None
        return len(self.only_modules or [0]) if stacked else 1

    def _assembled(self, place: ConfigFolder) -> Assembled | None:
        if self.geometry is None:
            return None
        return self.geometry.assembled(place, self.only_modules)


class KaraboStream:
    """One worker's share of the trains of Karabo bridges.

    The k-th shot of worker w of n has the index w + k n: who gets which train is not
    known before.
    """

    def __init__(
        self,
        settings: KaraboBridgeSettings,
        shares: Sequence[EndpointShare],
        reader: TrainReader,
        share: Share,
        clock: Clock,
    ) -> None:
        self.missed = 0
        self._settings = settings
        self._shares = shares
        self._reader = reader
        self._share = share
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._connections = [
            BridgeConnection(self._context, share.endpoint, settings.pattern)
            for share in shares
        ]
        self._newest: list[int | None] = [None] * len(shares)
        self._waiting: deque[Shots] = deque()
        self._taken = 0
        self._shot_s = self._looked_s = clock.monotonic()
        self._heard_s = [self._looked_s] * len(shares)
        self._problem, self._problem_s = "", -np.inf

    @property
    def stall_reason(self) -> str:
        """What is wrong with the bridges or their trains, a sentence."""
        found = [self._silence(number) for number in range(len(self._connections))]
        if self._problem_is_fresh:
            found.append(self._problem)
        return "; ".join(text for text in found if text)

    def start(self, start_ns: int) -> None:
        """Count the time without a shot from now on."""
        self._shot_s = self._looked_s = self._clock.monotonic()
        self._heard_s = [self._shot_s] * len(self._connections)

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return shots of one or several trains, or None if none came in time.

        Raises
        ------
        EndOfRun
            After the time without a shot that the settings allow.
        """
        self._gather(most, timeout_s)
        now = self._clock.monotonic()
        if self._waiting:
            self._shot_s = now
            return self._batch(most)
        end = self._settings.idle_end_s
        if end is not None and now - self._shot_s >= end:
            raise EndOfRun
        return None

    def _gather(self, most: int, timeout_s: float) -> None:
        """Wait for trains; when there are some, only a moment for more."""
        began = self._clock.monotonic()
        while sum(len(shots) for shots in self._waiting) < most:
            taken = any(
                [self._take(number) for number in range(len(self._connections))]
            )
            patience_s = min(timeout_s, GATHER_S) if self._waiting else timeout_s
            left_s = patience_s - (self._clock.monotonic() - began)
            if left_s <= 0:
                return
            if not taken:
                wait(self._connections, left_s)

    def _take(self, number: int) -> bool:
        """Take a train of one bridge; returns whether there was one."""
        self._looked_s = self._clock.monotonic()
        parts = self._connections[number].receive()
        if parts is None:
            return False
        arrived_ns = self._clock.wall_ns()
        train = self._reader.read(parts, arrived_ns)
        self._heard_s[number] = self._clock.monotonic()  # large trains take their time
        if train.problem:
            self._note(number, train.problem)
        if self._is_mine(number, train):
            self._add(train, arrived_ns)
        return True

    def _note(self, number: int, reason: str) -> None:
        """Log what is wrong with a train, and keep it for `stall_reason`.

        The first of several reasons is kept until it has not come for a while, so that
        neither window nor log is flooded.
        """
        text = f"{self._shares[number].endpoint}: {reason}"
        faded = not self._problem_is_fresh
        if faded:
            log.warning("a train was skipped: %s", text)
        if faded or text == self._problem:
            self._problem, self._problem_s = text, self._clock.monotonic()

    @property
    def _problem_is_fresh(self) -> bool:
        age_s = self._clock.monotonic() - self._problem_s
        return age_s < self._settings.trouble_after_s

    def _is_mine(self, number: int, train: Train) -> bool:
        """Whether to keep a train, and count those that a PUB socket lost."""
        if self._settings.pattern != "SUB":
            return True
        share, newest = self._shares[number], self._newest[number]
        if train.train_id is None:
            self._note(number, "a train without timestamp.tid, which cannot be shared")
            return share.reader == 0
        if newest is not None:
            self.missed += share.between(newest, train.train_id) * len(train.flags)
        self._newest[number] = train.train_id
        return share.has(train.train_id)

    def _add(self, train: Train, arrived_ns: int) -> None:
        number = len(train.flags)
        if number == 0:
            return
        places = self._taken + np.arange(number, dtype=np.int64)
        self._taken += number
        self._waiting.append(
            Shots(
                index=self._share.worker + places * self._share.workers,
                timestamp_ns=train.timestamp_ns,
                arrived_ns=np.full(number, arrived_ns, np.uint64),
                frames=train.frames,
                flags=train.flags,
                truth=np.full(number, ""),
                bad=train.bad,
            )
        )

    def _batch(self, most: int) -> Shots:
        """Return waiting shots of one shape and type, and keep the rest."""
        parts = [self._waiting.popleft()]
        number = len(parts[0])
        while self._waiting and number < most and _alike(self._waiting[0], parts[0]):
            parts.append(self._waiting.popleft())
            number += len(parts[-1])
        whole = joined(parts)
        if number > most:
            self._waiting.appendleft(whole.part(most, number))
        return whole.part(0, min(most, number))

    def _silence(self, number: int) -> str:
        bridge = self._connections[number]
        # Up to the last look, not to now: we may have been busy with a long train.
        silent_s = self._looked_s - self._heard_s[number]
        if silent_s < self._settings.trouble_after_s:
            return ""
        reason = "no bridge answers"
        if bridge.connected:
            reason = "connected, but no train comes"
        elif bridge.received:
            reason = "the bridge is gone"
        elif bridge.was_connected:
            pattern = self._settings.pattern
            reason = f"the bridge is gone, or its socket is no counterpart of {pattern}"
        return f"{bridge.endpoint}: {reason}"

    def close(self) -> None:
        """Close the sockets."""
        for bridge in self._connections:
            bridge.close()
        self._context.destroy(linger=0)


def _alike(one: Shots, other: Shots) -> bool:
    return (
        one.frames.shape[1:] == other.frames.shape[1:]
        and one.frames.dtype == other.frames.dtype
    )
