"""Names of sockets in a configuration, and who reaches them."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Endpoint = Annotated[str, StringConstraints(pattern=r"^(tcp|ipc)://.+$")]


def on_loopback(endpoint: str) -> bool:
    """Return whether only this machine reaches an endpoint."""
    host = endpoint.removeprefix("tcp://").rpartition(":")[0]
    return not endpoint.startswith("tcp") or host in LOOPBACK


def check_reach(endpoint: str, allow_remote: bool) -> None:
    """Refuse an endpoint that others reach unless that is allowed.

    Raises
    ------
    ValueError
        What is allowed, for a settings model to pass on.
    """
    if not allow_remote and not on_loopback(endpoint):
        raise ValueError(f"an endpoint on {', '.join(LOOPBACK)}, or allow_remote: true")
