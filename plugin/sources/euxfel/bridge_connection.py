"""One worker's connection to one Karabo bridge: requests, receives, watches it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from specklenn.core.config.endpoints import is_ipv6

Pattern = Literal["REQ", "PULL", "SUB"]

QUEUED_TRAINS = 1
"""Trains that wait in a socket: more would be lost with a worker that dies."""

RENEW_S = 0.5
"""After the loss of a connection, for what does not come back by itself."""

KEEPALIVE_S = (10, 5, 3)
"""Idle time, interval and number of the probes that find a machine that is gone."""


class BridgeConnection:
    """A socket to one bridge; never blocks.

    Sockets connect again by themselves, with two exceptions, for which the socket is
    made anew: a REQ socket would wait for ever for a reply that went down with a
    connection, and no socket tries again where it met one that is not its counterpart.
    A REQ socket is never given up only because a train is long in coming: the bridge
    would still answer the old request, and nobody would read that train.

    Parameters
    ----------
    pattern : {"REQ", "PULL", "SUB"}

    Attributes
    ----------
    connected : bool
        Whether somebody is at the other end.
    was_connected : bool
        Whether somebody ever was.
    received : bool
        Whether a train ever came.
    """

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, pattern: Pattern
    ) -> None:
        self.endpoint = endpoint
        self.connected = False
        self.was_connected = False
        self.received = False
        self._context = context
        self._pattern = pattern
        self._connect()

    def _connect(self) -> None:
        self._asked = False
        self._asked_in_vain = False
        self._lost_s: float | None = None
        self._socket = self._context.socket(getattr(zmq, self._pattern))
        self._socket.linger = 0
        self._socket.setsockopt(zmq.IPV6, is_ipv6(self.endpoint))
        self._socket.set_hwm(QUEUED_TRAINS)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        idle, interval, probes = KEEPALIVE_S
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, idle)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, interval)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, probes)
        if self._pattern == "SUB":
            self._socket.subscribe(b"")
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED
        )
        self._socket.connect(self.endpoint)

    @property
    def sockets(self) -> tuple[Any, Any]:
        """What to poll for trains, and for who comes and goes."""
        return self._socket, self._monitor

    def receive(self) -> Sequence[zmq.Frame] | None:
        """Return the parts of the next train's message if it is here."""
        self._hear()
        self._ask()
        parts = self._taken()
        if parts is None:
            self._renew_if_lost()
            return None
        self.received = True
        self._asked = self._asked_in_vain = False
        if self.connected:
            self._lost_s = None
        self._ask()
        return parts

    def _hear(self) -> None:
        """Note who came and went since the last time."""
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            self.connected = event == zmq.EVENT_CONNECTED
            self.was_connected |= self.connected
            if not self.connected:
                self._lost_s = time.monotonic()
                self._asked_in_vain = self._asked
            elif not self._asked_in_vain:
                self._lost_s = None

    def _ask(self) -> None:
        """Ask for the next train, if that is how it goes and it was not done."""
        if self._pattern == "REQ" and not self._asked:
            with suppress(zmq.Again):
                self._socket.send(b"next", zmq.NOBLOCK)
                self._asked = True

    def _taken(self) -> Sequence[zmq.Frame] | None:
        if self._pattern == "REQ" and not self._asked:
            return None  # it must not receive then
        try:
            parts: Sequence[zmq.Frame] = self._socket.recv_multipart(
                zmq.NOBLOCK, copy=False
            )
        except zmq.Again:
            return None
        return parts

    def _renew_if_lost(self) -> None:
        if self._lost_s is not None and time.monotonic() - self._lost_s > RENEW_S:
            self.close()
            self._connect()

    def close(self) -> None:
        """Close the socket."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()


def wait(connections: Sequence[BridgeConnection], timeout_s: float) -> None:
    """Return when something happens on any of the connections, or the time is over."""
    poller = zmq.Poller()
    for connection in connections:
        for socket in connection.sockets:
            poller.register(socket, zmq.POLLIN)
    poller.poll(max(1, round(timeout_s * 1000)))
