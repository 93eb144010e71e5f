"""What is in a file of shots, on the terminal."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from specklenn.core.reports.shown_file import ShownFile


def print_shown(shown: ShownFile, console: Console | None = None) -> None:
    """Print what a file is, its classes with counts and scores, and its versions."""
    out = console or Console(soft_wrap=True, highlight=False)
    out.print(f"{shown.path}: {shown.kind}", markup=False)
    for name, words in shown.facts.items():
        out.print(f"  {name:<8} {words}", markup=False)
    if shown.class_names:
        out.print(_classes(shown))
    for line in _versions(shown):
        out.print(f"  {line}", markup=False)
    for note in shown.notes:
        out.print(f"! {note}", markup=False)


def _classes(shown: ShownFile) -> Table:
    table = Table()
    table.add_column("class")
    scored_at_all = not np.isnan(shown.scores).all()
    for name in ("shots", "share", *["mean score"] * scored_at_all):
        table.add_column(name, justify="right")
    for name in shown.class_names:
        own = shown.classes == name
        scores = shown.scores[own]
        scored = scores[~np.isnan(scores)]
        mean = f"{scored.mean():.3f}" if len(scored) else ""
        words = (name, str(own.sum()), f"{100 * own.mean():.2f} %")
        table.add_row(*words, *[mean] * scored_at_all)
    return table


def _versions(shown: ShownFile) -> list[str]:
    """Return a line for each version: which model and supports, and for how many."""
    versions = shown.versions
    lines = []
    for row in range(len(versions)):
        field = {name: versions[name][row] for name in versions.names}
        used = f", {field['shots']} shots" if "shots" in field else ""
        lines.append(
            f"model v{field['model_version']} {field['model']} "
            f"({str(field['weights_sha256'])[:12]}) by {field['rule']}, "
            f"support v{field['support_version']} ({field['support_hash']}){used}"
        )
    return lines
