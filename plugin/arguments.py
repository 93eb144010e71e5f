"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration and ``--set`` to a command line."""
    parser.add_argument(
        "config", help="YAML file, or the name of a packaged one such as demo"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value, as source.path=run.h5; may be repeated",
    )
