"""The command ``specklenn``: finds the sub-command and nothing more.

Sub-commands are loaded when called, so that ``--help`` answers at once and a
command needs only the packages that it uses.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys

from specklenn.core.errors import SpecklennError
from specklenn.plugin.say import complain

COMMANDS = {
    "run": "classify a run, live or from files",
    "om": "classify inside OM, the online monitor of LCLS",
    "monitor": "the window that shows a run",
    "label": "label patterns, the most telling ones first",
    "purity": "how pure a class of a run is, by looking at some of its shots",
    "simulate": "make a labelled run from structures",
    "train": "train a model",
    "adapt": "a model of this experiment from labels",
    "evaluate": "measure a model on labelled data",
    "compare": "several models and baselines on the same patterns",
    "swap": "give a running job a model or supports",
    "keys": "encrypt what a run sends to other machines",
    "replay": "make the rows of a run anew and compare them",
    "show": "what is in a file of shots, and pictures of them",
    "emc": "the hits of a run as Dragonfly reads them",
    "table1": "the paper's Table 1, few labels and a quarter of the detector",
    "config": "check and show configurations",
    "demo": "a simulated beamtime with its window",
}
"""Sub-commands, and one line for each."""


def module_of(name: str) -> str:
    """Return the module whose ``main(arguments)`` runs a sub-command."""
    if name == "monitor":
        return "specklenn.gui.monitor.app"
    return f"specklenn.plugin.commands.{name}"


def main() -> int:
    """Entry point of the console script."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"specklenn {importlib.metadata.version('specklenn')}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        complain(f"{name!r} found, one of {', '.join(COMMANDS)} expected")
        return 2
    return _call(name, arguments[1:])


def overview() -> str:
    """Return the help text."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: specklenn COMMAND ...",
            "",
            "Live few-shot classification of X-ray single-particle shots.",
            "",
            *lines,
            "",
            "specklenn COMMAND --help explains a command; specklenn --version.",
            "Start with: specklenn demo",
        ]
    )


def _call(name: str, arguments: list[str]) -> int:
    try:
        code: int = importlib.import_module(module_of(name)).main(arguments)
    except SpecklennError as error:
        for line in str(error).splitlines():
            complain(line)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
