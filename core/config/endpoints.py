"""Names of sockets in a configuration: which can be used, and who reaches them."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

HIGHEST_PORT = 65535
LONGEST_IPC = 107
"""Bytes of the name of a file that is a socket."""

TCP = re.compile(r"tcp://(?P<host>\*|\[[^\]]+\]|[^\s:/;\[\]*]+):(?P<port>[0-9]{1,5})")
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
EXPECTED = "tcp://HOST:PORT, an IPv6 address in [], a port of 1 to 65535, or ipc://FILE"


def _checked(endpoint: str) -> str:
    """Return an endpoint that a socket can be bound to, or refuse it."""
    if endpoint.startswith("ipc://"):
        _check_file(endpoint.removeprefix("ipc://"))
        return endpoint
    found = TCP.fullmatch(endpoint)
    if not found or not 1 <= int(found["port"]) <= HIGHEST_PORT:
        raise ValueError(EXPECTED)
    if found["host"] != "*":
        _check_host(found["host"])
    return endpoint


def _check_file(name: str) -> None:
    if not name or name == "*" or "\0" in name:
        raise ValueError("ipc:// and the name of a file")
    if len(os.fsencode(name)) > LONGEST_IPC:
        raise ValueError(f"the name of a file of at most {LONGEST_IPC} bytes")


def _check_host(host: str) -> None:
    """Refuse what is neither a name nor an address."""
    bare = host.strip("[]")
    if host.startswith("[") or re.fullmatch(r"[0-9.]+", host):
        wanted = 6 if host.startswith("[") else 4
        try:
            good = ip_address(bare).version == wanted
        except ValueError:
            good = False
    else:
        good = HOST_NAME.fullmatch(host) is not None
    if not good:
        raise ValueError(f"the name or address of a host, which {host} is not")


def _checked_remote(endpoint: str) -> str:
    """Return an endpoint that a socket can connect to, or refuse it."""
    if TCP.fullmatch(endpoint) and host_of(endpoint) == "*":
        raise ValueError("the host that sends; * are all of this machine's own")
    return endpoint


Endpoint = Annotated[str, AfterValidator(_checked)]
"""Where a socket is bound: an address, name or interface of this machine, or a file."""

RemoteEndpoint = Annotated[Endpoint, AfterValidator(_checked_remote)]
"""What a socket connects to."""


def _checked_interface(host: str) -> str:
    """Return a host without the brackets of an IPv6 address, or refuse it."""
    bare = host.removeprefix("[").removesuffix("]")
    _check_host(f"[{bare}]" if ":" in bare else bare)
    return bare


Interface = Annotated[str, AfterValidator(_checked_interface)]
"""A name or an address of this machine; an IPv6 address without brackets."""


def host_of(endpoint: str) -> str:
    """Return the host of an endpoint over TCP; an IPv6 address in brackets."""
    return endpoint.removeprefix("tcp://").rpartition(":")[0]


def is_ipv6(endpoint: str) -> bool:
    """Return whether an endpoint is an IPv6 address, which sockets must be told."""
    return endpoint.startswith("tcp://[")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host; IPv6 with or without []."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_loopback(endpoint: str) -> bool:
    """Return whether only this machine reaches an endpoint."""
    return not endpoint.startswith("tcp") or is_loopback(host_of(endpoint))


def check_reach(endpoint: str, allow_remote: bool, encrypted: bool = False) -> None:
    """Refuse an endpoint that others reach unless that is allowed, or encrypted.

    Raises
    ------
    ValueError
        What is allowed, for a settings model to pass on.
    """
    if not (allow_remote or encrypted or on_loopback(endpoint)):
        raise ValueError(
            f"an endpoint on {', '.join(LOOPBACK)}, or keys (made by specklenn keys), "
            "or allow_remote: true"
        )
