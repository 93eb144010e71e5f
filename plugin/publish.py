"""Publishes snapshots over ZeroMQ: one message part, nobody is waited for."""

from __future__ import annotations

import zmq

from specklenn.core.errors import ConfigError
from specklenn.core.messages import Snapshot, encode


class ZmqPublisher:
    """A PUB socket that windows subscribe to.

    Slow or frozen windows lose snapshots and never hold up the run.

    Parameters
    ----------
    endpoint : str
        ``tcp://127.0.0.1:5556``, say.

    Raises
    ------
    ConfigError
        If the endpoint cannot be bound; says why.
    """

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 2)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise ConfigError(
                f"publish.endpoint: {endpoint} cannot be used: {error.strerror}; "
                "is another run publishing there?"
            ) from error

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot to whoever listens."""
        self._socket.send(encode(snapshot), zmq.DONTWAIT)

    def close(self) -> None:
        """Close the socket; the last snapshot gets half a second to leave."""
        self._context.destroy()


class NoPublisher:
    """For runs that nobody watches."""

    def publish(self, snapshot: Snapshot) -> None:
        """Tell nobody."""

    def close(self) -> None:
        """Nothing is open."""
