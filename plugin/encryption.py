"""Encrypts the sockets that a run binds, and lets in who has its keys (CurveZMQ)."""

from __future__ import annotations

from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from specklenn.core.socket_keys import SocketKeys, read_keys

Socket = zmq.Socket[bytes]


class Encryption:
    """What a bound socket needs of the keys of the run.

    Parameters
    ----------
    keys : path or None
        File of the run's keys; None for a socket without encryption.

    Raises
    ------
    ConfigError
        If there are no such keys.
    """

    def __init__(self, keys: Path | None) -> None:
        self._keys = None if keys is None else read_keys(keys, "run")
        self._authenticator: ThreadAuthenticator | None = None

    def apply(self, context: zmq.Context[Socket], socket: Socket) -> None:
        """Encrypt a socket of a context; before it is bound."""
        if self._keys is None:
            return
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(
            credentials_provider=_OnlyClient(self._keys)
        )
        socket.curve_server = True
        socket.curve_publickey = self._keys.public.encode()
        socket.curve_secretkey = self._keys.secret.encode()

    def close(self) -> None:
        """Stop checking keys; before the context ends."""
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None


class _OnlyClient:
    """Accepts the client's key and no other."""

    def __init__(self, keys: SocketKeys) -> None:
        self._accepted = keys.other.encode()

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether who has this key may connect; pyzmq calls it."""
        return key == self._accepted
