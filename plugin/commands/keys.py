"""``specklenn keys``: keys that encrypt the sockets of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

import zmq

from specklenn.core.errors import ConfigError
from specklenn.core.socket_keys import SocketKeys, write_keys

RUN, CLIENT = "run", "client"


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``specklenn keys``."""
    made = argparse.ArgumentParser(
        prog="specklenn keys",
        description="Make keys that encrypt what a run sends to windows on other "
        "machines and what it is asked to do. FOLDER/run.json stays with the run; "
        "who has FOLDER/client.json may watch and, with control.enabled, change the "
        "model. Both can be read by their owner only, and must stay so.",
        epilog="Example: specklenn keys ~/keys;  specklenn run c.yaml --set "
        "publish.endpoint=tcp://0.0.0.0:5556 --set publish.keys=~/keys/run.json;  on "
        "another machine: specklenn monitor tcp://HOST:5556 --keys "
        "~/keys/client.json.  Exit codes: 0 made, 2 they are there already, or "
        "cannot be written.",
    )
    made.add_argument("folder", type=Path, metavar="FOLDER", help="made if missing")
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    folder = parser().parse_args(arguments).folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror}") from error
    made = {side: _pair() for side in (RUN, CLIENT)}
    paths = {side: folder / f"{side}.json" for side in made}
    for side, other in ((RUN, CLIENT), (CLIENT, RUN)):
        public, secret = made[side]
        write_keys(
            paths[side],
            SocketKeys(side=side, public=public, secret=secret, other=made[other][0]),
        )
    print(
        f"keys of the run: {paths[RUN]} (publish.keys, control.keys)\n"
        f"keys of windows and commands: {paths[CLIENT]} (--keys)"
    )
    return 0


def _pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()
