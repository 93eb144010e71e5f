"""Shots that lclstreamer sends: each message is one HDF5 file with a batch of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import zmq
from pydantic import Field, model_validator

from specklenn.core.config.endpoints import (
    HIGHEST_PORT,
    LOOPBACK,
    Endpoint,
    host_of,
    is_ipv6,
    on_loopback,
)
from specklenn.core.data.shots import Shots, joined
from specklenn.core.data.sources import ConfigFolder, Share, SourceSettings
from specklenn.core.errors import DataError
from specklenn.plugin.parallel.clock import Clock, SystemClock
from specklenn.plugin.sources.event_times import TimestampFormat
from specklenn.plugin.sources.lclstreamer.hdf5_message import Layout, Message
from specklenn.plugin.sources.stall_detector import StallDetector


class LclstreamerSettings(SourceSettings):
    """A stream from lclstreamer, dealt out to the workers by its PUSH socket.

    Parameters
    ----------
    kind : "lclstreamer"
    endpoint : str
        Where messages come in. With several workers each binds a port of its own:
        this one, the next one, and so on; ``ipc://`` names get ``-1``, ``-2``, ...
    endpoints : list of str
        Instead of `endpoint`: at least one for each worker.
    bind : bool
        False where the sender binds (its role is "server"): every worker connects to
        every endpoint.
    allow_remote : bool
        Needed for anything but the loopback interface: whoever reaches the port can
        feed shots.
    dataset : str
        Frames, (B, H, W) or (B, modules, H, W).
    timestamp_dataset : str or None
        Times, (B,); None for the time of arrival.
    timestamp_format : {"psana", "unix_s", "unix_ns"}
        How times are written, see `specklenn.plugin.sources.event_times.unix_ns`.
    label_dataset : str or None
        Labels, (B,), for the confusion table.
    stacked_modules : int
        Modules that lie on top of each other in a frame, for ``area.modules``.
    high_water_mark : int
        Messages of a sender that wait in a worker; then the sender waits.
    largest_message_bytes : int
        Largest message that is taken, and the most that its frames may take unpacked.
    trouble_after_s : float
        Silence after which the monitor says so.
    idle_end_s : float or None
        A worker ends after so long without a message; never by default.
    """

    kind: Literal["lclstreamer"]
    endpoint: Endpoint = "tcp://127.0.0.1:12321"
    endpoints: list[Endpoint] = Field(default_factory=list)
    bind: bool = True
    allow_remote: bool = False
    dataset: str = "/data/data"
    timestamp_dataset: str | None = "/data/timestamp"
    timestamp_format: TimestampFormat = "psana"
    label_dataset: str | None = None
    stacked_modules: int = Field(default=1, ge=1)
    high_water_mark: int = Field(default=10, ge=1, le=10_000)
    largest_message_bytes: int = Field(default=10**9, ge=1000)
    trouble_after_s: float = Field(default=5.0, gt=0)
    idle_end_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _reachable(self) -> LclstreamerSettings:
        for endpoint in self.endpoints or [self.endpoint]:
            if endpoint.startswith("tcp"):
                self._check(endpoint)
        return self

    def _check(self, endpoint: str) -> None:
        if host_of(endpoint) == "*" and not self.bind:
            raise ValueError(f"{endpoint} to name the host that sends, or bind: true")
        if not self.allow_remote and not on_loopback(endpoint):
            raise ValueError(
                f"{endpoint} to be on {', '.join(LOOPBACK)}, or allow_remote: true "
                "(whoever reaches the port can feed shots)"
            )

    @property
    def layout(self) -> Layout:
        """Where things are in a message."""
        return Layout(
            frames=self.dataset,
            timestamps=self.timestamp_dataset,
            timestamp_format=self.timestamp_format,
            labels=self.label_dataset,
            largest_bytes=self.largest_message_bytes,
        )

    def modules(self, place: ConfigFolder) -> int:
        """Return how many modules lie on top of each other in a frame."""
        return self.stacked_modules

    def addresses(self, share: Share) -> list[str]:
        """Return the endpoints of one worker.

        Raises
        ------
        DataError
            If there are fewer to bind than workers.
        """
        if not self.bind:
            return self.endpoints or [self.endpoint]
        if not self.endpoints:
            return [_next(self.endpoint, share.worker)]
        if len(self.endpoints) < share.workers:
            raise DataError(
                f"source.endpoints: {len(self.endpoints)} found for {share.workers} "
                "workers, at least one for each expected"
            )
        return self.endpoints[share.worker :: share.workers]

    def join(self, share: Share) -> LclstreamerStream:
        """Open a worker's socket."""
        return LclstreamerStream(self, share, SystemClock())


class LclstreamerStream:
    """One worker's share of a stream.

    The k-th shot that worker w of n takes has the number w + k n. PUSH waits for
    room, so nothing is dropped on the way.

    Raises
    ------
    DataError
        If an endpoint cannot be used; says why.
    """

    missed = 0

    def __init__(
        self, settings: LclstreamerSettings, share: Share, clock: Clock
    ) -> None:
        self._settings = settings
        self._layout = settings.layout
        self._share = share
        addresses = settings.addresses(share)
        self._stall_detector = StallDetector(
            ", ".join(addresses), settings.trouble_after_s, clock
        )
        self._taken = 0
        self._message: Message | None = None
        self._position = 0
        self._context = zmq.Context()
        self._socket = self._open(addresses)

    def start(self, start_ns: int) -> None:
        """Begin; messages that are here already are taken too."""
        self._stall_detector.restart()

    @property
    def stall_reason(self) -> str:
        """What keeps shots from coming: silence, or messages that cannot be used."""
        return self._stall_detector.stall_reason

    def receive(self, most: int, timeout_s: float) -> Shots | None:
        """Return up to `most` shots of the messages that are here.

        Raises
        ------
        EndOfRun
            After a silence of `idle_end_s`.
        """
        parts: list[Shots] = []
        number = 0
        while number < most and self._has_more(0.0 if parts else timeout_s):
            assert self._message is not None
            if parts and parts[0].frames.shape[1:] != self._message.shape:
                break
            parts.append(self._take(self._message, most - number))
            number += len(parts[-1])
        if not parts:
            self._stall_detector.end_if_silent(self._settings.idle_end_s)
            return None
        return joined(parts)

    def close(self) -> None:
        """Close the socket and the message that was not used up."""
        if self._message is not None:
            self._message.close()
        self._context.destroy(linger=0)

    def _open(self, addresses: list[str]) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.PULL)
        made.setsockopt(zmq.RCVHWM, self._settings.high_water_mark)
        made.setsockopt(zmq.MAXMSGSIZE, self._settings.largest_message_bytes)
        made.setsockopt(zmq.TCP_KEEPALIVE, 1)
        for address in addresses:
            made.setsockopt(zmq.IPV6, is_ipv6(address))
            try:
                made.bind(address) if self._settings.bind else made.connect(address)
            except zmq.ZMQError as error:
                self._context.destroy(linger=0)
                raise DataError(
                    f"source.endpoint: {address} cannot be used: {error.strerror}; "
                    "does another run listen there?"
                ) from error
        return made

    def _has_more(self, timeout_s: float) -> bool:
        """Have a message with shots that were not taken, if one comes in time."""
        if self._message is not None:
            return True
        if not self._socket.poll(math.ceil(1000 * timeout_s)):
            return False
        content = self._socket.recv_multipart()[0]
        self._message = Message(content, self._layout)
        self._position = 0
        self._stall_detector.heard(self._message.number, self._message.reason)
        return True

    def _take(self, message: Message, most: int) -> Shots:
        stop = min(message.number, self._position + most)
        shots = message.read(self._position, stop)
        self._position = stop
        self._stall_detector.restart()
        if stop == message.number:
            message.close()
            self._message = None
        numbers = np.arange(self._taken, self._taken + len(shots), dtype=np.int64)
        self._taken += len(shots)
        index = self._share.worker + self._share.workers * numbers
        return dataclasses.replace(shots, index=index)


def _next(endpoint: str, number: int) -> str:
    """Return the endpoint that lies a number of workers behind another."""
    if number == 0:
        return endpoint
    if not endpoint.startswith("tcp"):
        return f"{endpoint}-{number}"
    host, _, first = endpoint.rpartition(":")
    port = int(first) + number
    if port > HIGHEST_PORT:
        raise DataError(
            f"source.endpoint: {endpoint} found, worker {number} would need port "
            f"{port}; ports up to {HIGHEST_PORT} expected"
        )
    return f"{host}:{port}"
