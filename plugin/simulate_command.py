"""``specklenn simulate``: write a labelled dataset of simulated shots."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.plugin.packaged import find_config

if TYPE_CHECKING:
    from specklenn.core.simulation.experiment import Experiment
    from specklenn.core.simulation.factory import SimulatedShots

BATCH = 200


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core.simulation.experiment import Experiment
    from specklenn.core.validation import validate
    from specklenn.core.yaml_lines import read_yaml

    path = find_config(options.config)
    experiment = validate(Experiment, read_yaml(path))
    experiment = experiment.located(path.parent)
    if options.seed is not None:
        experiment = experiment.model_copy(update={"seed": options.seed})
    if options.per_class is not None:
        experiment = experiment.model_copy(update={"pool": options.per_class})
        batches, total = _every_pattern(experiment)
    else:
        batches, total = _stream(experiment, options.number)
    _write(options.output, experiment, batches, total)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn simulate",
        description="Simulate shots of single particles, aggregates and debris.",
    )
    parser.add_argument(
        "config", help="experiment: a YAML file, or the packaged one: simulate"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="HDF5 file to write"
    )
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument(
        "-n", "--number", type=_positive, help="shots, classes as in the config"
    )
    amount.add_argument(
        "--per-class",
        type=_positive,
        help="shots of every class of every sample, each a pattern of its own",
    )
    parser.add_argument("--seed", type=int, help="instead of the config's")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, at least 1 expected")
    return number


def _every_pattern(experiment: Experiment) -> tuple[Iterator[SimulatedShots], int]:
    """Give one sample after the other, so that memory holds only one pool."""
    from specklenn.core.simulation.experiment import count_samples
    from specklenn.core.simulation.factory import Factory
    from specklenn.core.simulation.pools import make_pools

    total = count_samples(experiment) * experiment.pool * len(experiment.classes)
    batches = (
        Factory(experiment, [pool]).every_pattern(number)
        for number, pool in enumerate(make_pools(experiment))
    )
    return batches, total


def _stream(
    experiment: Experiment, number: int
) -> tuple[Iterator[SimulatedShots], int]:
    import numpy as np

    from specklenn.core.simulation.factory import Factory

    factory = Factory(experiment)
    indices = np.arange(number, dtype=np.int64)
    starts = range(0, number, BATCH)
    return (factory.shots(indices[i : i + BATCH]) for i in starts), number


def _write(
    path: Path,
    experiment: Experiment,
    batches: Iterator[SimulatedShots],
    total: int,
) -> None:
    from rich.progress import Progress

    from specklenn.core.files import DatasetWriter

    detector = experiment.detector
    with (
        Progress(transient=True) as progress,
        DatasetWriter(
            path, detector.shape, mask=detector.mask(), timestamps=False
        ) as writer,
    ):
        task = progress.add_task(f"{path.name}", total=total)
        for batch in batches:
            writer.append(batch.patterns, batch.labels, batch.names)
            progress.advance(task, len(batch.patterns))
    print(f"{total} shots written to {path}")
