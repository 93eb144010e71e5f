"""``specklenn config``: check a configuration before beam, show what it means."""

from __future__ import annotations

import argparse

from specklenn.core.config import load_config, resolved_yaml
from specklenn.plugin.arguments import add_config_arguments
from specklenn.plugin.packaged import find_config, names


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``specklenn config``."""
    made = argparse.ArgumentParser(
        prog="specklenn config",
        description="Check a configuration, or show it with all its defaults.",
        epilog=f"Packaged configurations: {', '.join(names())}.",
    )
    actions = made.add_subparsers(dest="action", required=True)
    for name, words in (
        ("check", "check every value, and open data, supports and weights"),
        ("show", "print the configuration with every default"),
    ):
        action = actions.add_parser(name, help=words, description=words)
        add_config_arguments(action)
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    path = find_config(options.config)
    loaded = load_config(path, options.set)
    if options.action == "show":
        print(resolved_yaml(loaded.settings), end="")
        return 0
    from specklenn.plugin.prepare import prepare

    prepared = prepare(loaded)
    facts = prepared.facts
    shots = f"{facts.expected_shots} shots" if facts.expected_shots else "a live stream"
    print(
        f"{path}: good: {shots} of frames {prepared.shape}, classes "
        f"{', '.join(facts.classes)}, support version {facts.support_version} "
        f"({facts.support_hash})"
    )
    return 0
