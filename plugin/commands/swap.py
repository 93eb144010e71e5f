"""``specklenn swap``: give a running job another model, supports or rule."""

from __future__ import annotations

import argparse
import getpass
import os
import time
import uuid
from pathlib import Path
from typing import get_args

import zmq

from specklenn.core.config.endpoints import is_ipv6
from specklenn.core.distances import Rule
from specklenn.core.errors import DataError
from specklenn.core.socket_keys import SocketKeys, connect_with, read_keys
from specklenn.plugin.commands.arguments import CommandParser
from specklenn.plugin.control.protocol import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Request,
    decode,
    encode,
)
from specklenn.plugin.live.versions import Version
from specklenn.plugin.say import complain, say

ENDPOINT = "tcp://127.0.0.1:5557"
CONNECT_S = 3.0
"""How long a run may take to accept a connection."""


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``specklenn swap``."""
    made = CommandParser(
        prog="specklenn swap",
        description="Give a running job another model, other supports, another rule, "
        "or several of these. All ranks change between two batches; no shot is lost, "
        "and every row says what classified it. What does not fit is refused and "
        "changes nothing. The run must have been started with --allow-control (or "
        "control.enabled: true).",
        epilog="Examples:\n"
        "  specklenn swap --support better.yaml\n"
        "  specklenn swap --weights adapted.safetensors\n"
        "  specklenn swap --rule nearest\n"
        "  specklenn swap --back\n"
        "  specklenn swap --status\n"
        "Exit codes: 0 done, 1 refused or no answer, 2 wrong usage.",
    )
    made.add_argument(
        "--endpoint", default=ENDPOINT, help=f"where the run listens ({ENDPOINT})"
    )
    made.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="client.json of specklenn keys, where the run has keys",
    )
    made.add_argument(
        "--weights", metavar="NAME|FILE", help="packaged model or .safetensors file"
    )
    made.add_argument("--support", metavar="FILE", help="support set, YAML or HDF5")
    made.add_argument(
        "--rule", choices=get_args(Rule), help="how supports decide, as classify.rule"
    )
    made.add_argument(
        "--back", action="store_true", help="go back to what was used before"
    )
    made.add_argument(
        "--status", action="store_true", help="only say what is in use now"
    )
    made.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for the answer (30)",
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    made = parser()
    options = made.parse_args(arguments)
    asked = options.weights, options.support, options.rule
    swap = any(value is not None for value in asked)
    if [swap, options.back, options.status].count(True) != 1:
        made.error(
            "--weights, --support or --rule (or several), or --back, or --status "
            "expected"
        )
    keys = None if options.keys is None else read_keys(options.keys, "client")
    answer = ask(options.endpoint, request_of(options), options.timeout, keys)
    if not answer.done:
        complain(f"refused: {answer.words}")
        if answer.now:
            complain(answer.now.words, "still in use")
        return 1
    say("\n".join(_lines(answer, options.status)))
    return 0


def request_of(options: argparse.Namespace) -> Request:
    """Return what the command line asks for; file names are made absolute."""
    weights, support = options.weights, options.support
    if weights is not None and weights.endswith(".safetensors"):
        weights = str(Path(weights).absolute())
    return Request(
        id=uuid.uuid4().hex,
        action="back" if options.back else "status" if options.status else "swap",
        weights=weights,
        support=None if support is None else str(Path(support).absolute()),
        rule=options.rule,
        user=getpass.getuser()[:60],
        host=os.uname().nodename[:60],
    )


def ask(
    endpoint: str, request: Request, timeout_s: float, keys: SocketKeys | None = None
) -> Answer:
    """Send a request to a run and return its answer.

    Raises
    ------
    DataError
        If no run listens there, or none answers in time.
    """
    with zmq.Context() as context, connected(context, endpoint, keys) as socket:
        socket.send(encode(request))
        return _answer(socket, request, timeout_s)


def connected(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: str,
    keys: SocketKeys | None = None,
) -> zmq.Socket[bytes]:
    """Return a socket that a run has accepted.

    The socket is watched until it is; ``zmq.IMMEDIATE`` would tell as well, but it
    throws away an answer that was not yet read when the run ends.

    Raises
    ------
    DataError
        If no run listens there.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, is_ipv6(endpoint))
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE_BYTES)
    if keys is not None:
        connect_with(socket, keys)
    with socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as watch:
        try:
            socket.connect(endpoint)
            why = "" if watch.poll(round(1000 * CONNECT_S)) else "nobody answers"
        except zmq.ZMQError as error:
            why = str(error.strerror)
        socket.disable_monitor()
    if why:
        socket.close()
        raise DataError(
            f"no run accepts requests at {endpoint} ({why}); was it started with "
            "--allow-control? If it has keys, the same are needed here."
        )
    return socket


def _answer(socket: zmq.Socket[bytes], request: Request, timeout_s: float) -> Answer:
    until = time.monotonic() + timeout_s
    while (left := until - time.monotonic()) > 0:
        if socket.poll(round(1000 * left)):
            answer = decode(Answer, socket.recv())
            if answer.id in (request.id, ""):
                return answer
    raise DataError(
        f"no answer within {timeout_s:g} s; the run may still do it: specklenn swap "
        "--status tells"
    )


def _lines(answer: Answer, only_status: bool) -> list[str]:
    assert answer.now is not None
    on = f"on {answer.ranks} of {answer.workers} ranks"
    if only_status:
        return [f"in use {on}: {answer.now.words}{_since(answer.now)}"]
    lines = [
        f"in use {on} after {answer.took_s:.2f} s ({answer.built_s:.2f} s to build): "
        f"{answer.now.words}"
    ]
    if answer.before:
        lines.append(f"before: {answer.before.words}")
    return lines + ([f"note: {answer.words}"] if answer.words else [])


def _since(version: Version) -> str:
    if not version.time_ns:
        return "; the run has not begun"
    when = time.strftime("%H:%M:%S", time.localtime(version.time_ns / 1e9))
    asked = f", asked for by {version.asked_by}" if version.asked_by else ""
    return f", since {when}{asked}"
