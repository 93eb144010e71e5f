"""Sends snapshots: over ZeroMQ, and to any number of publishers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import zmq

from specklenn.core.config.endpoints import is_ipv6
from specklenn.core.errors import ConfigError
from specklenn.core.messages import Snapshot, encode
from specklenn.plugin.encryption import Encryption
from specklenn.plugin.live.outputs import Publisher
from specklenn.plugin.parallel.clock import Clock

REPEAT_LAST_S = 1.0
REPEAT_STEP_S = 0.1


class ZmqPublisher:
    """A PUB socket that windows subscribe to.

    Slow or frozen windows lose snapshots and never hold up the run.

    Parameters
    ----------
    endpoint : str
        ``tcp://127.0.0.1:5556``, say.
    keys : path or None
        Keys of the run, see `specklenn.core.socket_keys`.

    Raises
    ------
    ConfigError
        If the endpoint cannot be bound, or the keys cannot be used; says why.
    """

    def __init__(self, endpoint: str, clock: Clock, keys: Path | None = None) -> None:
        self._encryption = Encryption(keys)
        self._clock = clock
        self._last = b""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 2)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.IPV6, is_ipv6(endpoint))
        self._encryption.apply(self._context, self._socket)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._encryption.close()
            self._context.destroy(linger=0)
            raise ConfigError(
                f"publish.endpoint: {endpoint} cannot be used: {error.strerror}; "
                "is another run publishing there?"
            ) from error

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot to whoever listens."""
        self._last = encode(snapshot)
        self._socket.send(self._last, zmq.DONTWAIT)

    def close(self) -> None:
        """Repeat the last snapshot for a second, then close the socket.

        So that a window that is just connecting learns that the run has ended.
        """
        if self._last:
            for _ in range(round(REPEAT_LAST_S / REPEAT_STEP_S)):
                self._clock.sleep(REPEAT_STEP_S)
                self._socket.send(self._last, zmq.DONTWAIT)
        self._encryption.close()
        self._context.destroy()


class Publishers:
    """Hands every snapshot to each of its publishers, in order.

    Parameters
    ----------
    publishers : sequence of Publisher
        Empty for runs that nobody watches.
    """

    def __init__(self, publishers: Sequence[Publisher]) -> None:
        self._publishers = tuple(publishers)

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot everywhere."""
        for publisher in self._publishers:
            publisher.publish(snapshot)

    def close(self) -> None:
        """Close all of them, also where one of them cannot."""
        with ExitStack() as stack:
            for publisher in reversed(self._publishers):
                stack.callback(publisher.close)
