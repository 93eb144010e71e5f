"""Keys that encrypt a run's sockets, and say who may use them.

`specklenn keys` writes two files: one for the run, one for the windows and commands
that connect to it. Each has a key pair of its own (CurveZMQ: Curve25519, Z85 text) and
the public key of the other side. Whoever has the second file may watch and, where
control is enabled, change the model; nobody else reads or is answered.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import msgspec

from specklenn.core.errors import ConfigError

KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
LARGEST_FILE_BYTES = 4096


class SocketKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of one side, 40 characters each.

    Parameters
    ----------
    side : str
        "run", which binds the sockets, or "client", which connects to them.
    public, secret : str
        Its own pair.
    other : str
        Public key of the other side.
    """

    side: str
    public: str
    secret: str
    other: str


def read_keys(path: Path, side: str) -> SocketKeys:
    """Read the keys of one side.

    Raises
    ------
    ConfigError
        If the file cannot be read, others than its owner may read it, or it holds no
        keys of this side.
    """
    content = _read_private(path)
    try:
        found = msgspec.json.decode(content, type=SocketKeys)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    if found is None or not all(map(KEY.fullmatch, _texts(found))):
        raise ConfigError(f"{path}: no keys; a file made by specklenn keys expected")
    if found.side != side:
        raise ConfigError(
            f"{path}: keys of the {found.side} found, keys of the {side} expected"
        )
    return found


def write_keys(path: Path, keys: SocketKeys) -> None:
    """Write the keys of one side to a new file that only its owner may read.

    Raises
    ------
    ConfigError
        If the file exists or cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}") from error
    with os.fdopen(file, "wb") as opened:
        opened.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")


def connect_with(socket: Any, keys: SocketKeys) -> None:
    """Let a ZeroMQ socket, before it connects, use the keys of a client."""
    socket.curve_serverkey = keys.other.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


def _read_private(path: Path) -> bytes:
    """Read a file that belongs to one user; links to others' files do not count."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(LARGEST_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    shared = stat.S_IMODE(status.st_mode) & 0o077
    if shared:
        raise ConfigError(
            f"{path}: keys that others than their owner can read (mode "
            f"{stat.S_IMODE(status.st_mode):04o}) found, mode 0600 expected: "
            f"make new ones, or chmod 600 {path} if nobody has read them"
        )
    return content


def _texts(keys: SocketKeys) -> tuple[str, str, str]:
    return keys.public, keys.secret, keys.other
