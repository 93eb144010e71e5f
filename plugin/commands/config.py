"""``specklenn config``: check a configuration before beam, show what it means."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from specklenn.core.config.loading import load_config, overridden, resolved_yaml
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, read_yaml
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.validation import validate
from specklenn.plugin.commands.arguments import add_config_arguments
from specklenn.plugin.commands.packaged_configs import find_config, names


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``specklenn config``."""
    made = argparse.ArgumentParser(
        prog="specklenn config",
        description="Check a configuration, or show it with all its defaults: of a "
        "run, of a simulated experiment, of a training.",
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
    document = overridden(read_yaml(path), options.set)
    settings = _other(document)
    if settings is None:
        return _run(path, options.set, show=options.action == "show")
    if options.action == "show":
        print(resolved_yaml(settings), end="")
    elif isinstance(settings, Experiment):
        print(f"{path}: good: {_of_experiment(settings.located(path.parent))}")
    else:
        print(f"{path}: good")
    return 0


def _other(document: Document) -> Settings | None:
    """Return the settings of a training or an experiment; None for a run."""
    keys = set(document.data) if isinstance(document.data, dict) else set()
    if keys & {"source", "support"}:
        return None
    if keys & {"training", "data"}:
        from specklenn.core.training.train_config import TrainingRun

        return validate(TrainingRun, document)
    if keys & {"structures", "procedural", "bodies"}:
        return validate(Experiment, document)
    return None


def _of_experiment(experiment: Experiment) -> str:
    """Load the samples; say what is simulated."""
    from specklenn.core.simulation.simulator import ShotSimulator

    simulator = ShotSimulator(experiment)
    warnings = "".join(f"; {text}" for text in simulator.library.check())
    shape = " x ".join(map(str, simulator.geometry.shape))
    return (
        f"{len(simulator.library)} samples, frames of {shape} pixels, classes "
        f"{', '.join(experiment.classes)}, particles of up to "
        f"{simulator.geometry.sampled_radius_angstrom:.0f} angstrom are sampled"
        f"{warnings}"
    )


def _run(path: Path, overrides: Sequence[str], *, show: bool) -> int:
    loaded = load_config(path, overrides)
    if show:
        print(resolved_yaml(loaded.settings), end="")
        return 0
    from specklenn.plugin.startup import prepare_run

    prepared = prepare_run(loaded)
    facts, first = prepared.facts, prepared.first
    shots = f"{facts.expected_shots} shots" if facts.expected_shots else "a live stream"
    print(
        f"{path}: good: {shots} of frames {prepared.shape}, classes "
        f"{', '.join(facts.classes)}, support version {first.support_version} "
        f"({first.support_hash})"
    )
    for note in facts.notes:
        print(f"! {note}")
    return 0
