"""How long a swap takes until the last rank has it, and whether shots are lost.

Run ``python benchmarks/swap.py``; ``--ranks 8`` and ``--swaps 12`` by default. A live
stream of 120 shots a second is run without and with swaps (another model, other
supports, and back twice), then a run from files, where what is lost is known exactly.
Times are those from the request at rank 0; a command line adds its start.
"""

from __future__ import annotations

import argparse
import getpass
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from specklenn.core.errors import DataError
from specklenn.plugin import packaged_configs
from specklenn.plugin.commands.demo import find_mpirun, free_port, mpi_environment
from specklenn.plugin.commands.swap import ask
from specklenn.plugin.control.protocol import Answer, Request

BIN = Path(sys.executable).parent
SUPPORT = packaged_configs.folder() / "support"
FEWER = f"""\
version: 2
classes:
  single-hit: [{{file: {SUPPORT}/demo.h5, events: [1, 2, 3]}}]
  multi-hit: [{{file: {SUPPORT}/demo.h5, events: [6, 7, 8]}}]
  non-sample-hit: [{{file: {SUPPORT}/demo.h5, events: [11, 12, 13]}}]
"""
PAUSE_S = 1.0


@dataclass
class Measured:
    """What one run gave."""

    shots: int
    rows: int
    doubled: int
    versions: int
    unknown_pairs: int
    answers: list[Answer] = field(default_factory=list)


def request(action: str, **wanted: str) -> Request:
    """Return a request of ours."""
    return Request(
        id=uuid.uuid4().hex,
        action=action,
        user=getpass.getuser()[:60],
        host=os.uname().nodename[:60],
        **wanted,
    )


def requests(folder: Path, number: int) -> list[Request]:
    """Return swaps of every kind, in turn."""
    turn = [
        request("swap", weights="paper"),
        request("swap", support=str(folder / "fewer.yaml")),
        request("back"),
        request("back"),
    ]
    return [turn[index % len(turn)] for index in range(number)]


def run(folder: Path, ranks: int, settings: list[str], swaps: int) -> Measured:
    """Run a configuration while swapping."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    output = folder / uuid.uuid4().hex
    settings = [
        *settings,
        "publish.enabled=false",
        f"control.endpoint={endpoint}",
        f"output.folder={output}",
    ]
    flags = [word for setting in settings for word in ("--set", setting)]
    words = [find_mpirun(), "-n", str(ranks), str(BIN / "specklenn"), "run", "demo"]
    process = subprocess.Popen(
        [*words, "--quiet", "--allow-control", *flags],
        env=mpi_environment(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    answers: list[Answer] = []
    if swaps:
        wait_for_rows(output / "results.h5", process)
        answers = swap_in_turn(endpoint, requests(folder, swaps))
    told, _ = process.communicate()
    if process.returncode:
        raise DataError(f"the run ended with code {process.returncode}")
    print(next(line for line in told.splitlines() if " shots in " in line))
    return measured(output / "results.h5", answers)


def swap_in_turn(endpoint: str, asked: list[Request]) -> list[Answer]:
    """Ask for one after another, as long as the run goes on."""
    answers: list[Answer] = []
    for item in asked:
        time.sleep(PAUSE_S)
        try:
            answers.append(ask(endpoint, item, 60))
        except DataError as error:
            print(f"  the run ended after {len(answers)} swaps: {error}")
            break
    return answers


def wait_for_rows(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a run has rows."""
    while process.poll() is None:
        try:
            with h5py.File(path, "r", swmr=True) as file:
                if len(file["rows"]):
                    return
        except (OSError, KeyError):
            pass
        time.sleep(0.2)
    raise DataError("the run ended before there was a row")


def measured(path: Path, answers: list[Answer]) -> Measured:
    """Read what a run left."""
    with h5py.File(path) as file:
        rows, versions = file["rows"][()], file["versions"][()]
    pair = ["model_version", "support_version"]
    known = set(versions[pair].tolist())
    return Measured(
        shots=int(rows["index"].max()) + 1,
        rows=len(rows),
        doubled=len(rows) - len(np.unique(rows["index"])),
        versions=len(versions),
        unknown_pairs=len(set(rows[pair].tolist()) - known),
        answers=answers,
    )


def show(name: str, found: Measured, expected: int) -> None:
    """Print the figures of a run."""
    print(
        f"{name}: {found.rows} rows of {expected} shots, {expected - found.rows} lost, "
        f"{found.doubled} doubled; {found.versions} versions, "
        f"{found.unknown_pairs} pairs in rows that are not in the table"
    )
    for answer in found.answers:
        words = answer.now.words if answer.done and answer.now else answer.words
        took = f"{answer.took_s:.2f} s" if answer.done else "refused"
        print(f"  {took}: {words}")
    took = np.array([answer.took_s for answer in found.answers if answer.done])
    built = np.array([answer.built_s for answer in found.answers if answer.done])
    if len(took):
        print(
            f"  {len(took)} swaps: to the last rank median {np.median(took):.2f} s, "
            f"longest {took.max():.2f} s; of it at rank 0 median "
            f"{np.median(built):.2f} s, longest {built.max():.2f} s"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--swaps", type=int, default=12)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds")
    parser.add_argument("--rate", type=float, default=120.0, help="live shots a second")
    parser.add_argument("--repeats", type=int, default=100, help="400 shots each")
    parser.add_argument("--skip-live", action="store_true", help="only from files")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{options.ranks} ranks on {cores} cores, load before {load:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fewer.yaml").write_text(FEWER)
        if not options.skip_live:
            live = [
                f"source.duration_s={options.duration}",
                f"source.rate_Hz={options.rate}",
            ]
            expected = round(options.rate * options.duration)
            without = run(folder, options.ranks, live, 0)
            show("live, no swap", without, expected)
            with_swaps = run(folder, options.ranks, live, options.swaps)
            show("live, swaps", with_swaps, expected)
        path = folder / "run.cxi"
        words = [str(BIN / "specklenn"), "simulate", "simulate", "-o", str(path)]
        subprocess.run([*words, "-n", "400"], check=True, stdout=subprocess.DEVNULL)
        names = ", ".join([str(path)] * options.repeats)
        source = f"source={{kind: hdf5, path: [{names}]}}"
        files = run(folder, options.ranks, [source], options.swaps)
        show("files, swaps", files, 400 * options.repeats)


if __name__ == "__main__":
    main()
