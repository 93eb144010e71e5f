"""``specklenn evaluate``: few-shot accuracy of a model on labelled data."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

BATCH = 500


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core import checkpoint
    from specklenn.core.errors import ConfigError, DataError
    from specklenn.core.evaluation.few_shot import evaluate
    from specklenn.core.labels import MULTI_HIT, SINGLE_HIT

    classes = tuple(options.classes or (SINGLE_HIT, MULTI_HIT))
    if len(classes) < 2:
        raise ConfigError(f"--classes: {classes[0]} alone, at least two expected")
    model = checkpoint.load(options.weights)
    embeddings, labels, names = _embed_file(options.data, model)
    shots: dict[str, Any] = {}
    problems: list[str] = []
    for number in options.shots:
        try:
            shots |= evaluate(
                embeddings,
                labels,
                names,
                shots=(number,),
                draws=options.draws,
                seed=options.seed,
                classes=classes,
                rule=options.rule,
            )
        except DataError as error:
            problems.append(str(error))
    if not shots:
        raise DataError("; ".join(problems))
    for problem in problems:
        print(f"specklenn evaluate: left out: {problem}", file=sys.stderr)
    report = {
        "shots": shots,
        "n_patterns": len(labels),
        "weights": options.weights,
        "rule": options.rule,
    }
    if options.json is not None:
        _write(options.json, report)
    _show(report, classes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn evaluate",
        description="Measure N-way X-shot accuracy, sample by sample.",
    )
    parser.add_argument("data", type=Path, help="labelled dataset, HDF5")
    parser.add_argument(
        "--weights", default="default", help="packaged model or .safetensors file"
    )
    parser.add_argument(
        "--shots",
        type=_counts,
        default=(1, 5, 20),
        help="supports per class, for example 1,5,20",
    )
    parser.add_argument("--draws", type=_count, default=5, help="draws of supports")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the full report")
    parser.add_argument(
        "--classes",
        type=lambda text: text.split(","),
        help="classes to tell apart; default: single-hit,multi-hit; F1 is that of "
        "the first; + joins several to one: single-hit,multi-hit+non-sample-hit",
    )
    parser.add_argument(
        "--rule",
        choices=("mean", "nearest", "soft", "prototype"),
        default="mean",
        help="how the supports of a class give one distance: mean distance (paper), "
        "nearest support, between the two, or distance to the mean support",
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, at least 1 expected")
    return number


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


def _embed_file(path: Path, model: Any) -> tuple[Any, Any, Any]:
    """Return embeddings, labels and names of all patterns that can be judged.

    Without sample names the whole file is one sample.
    """
    import numpy as np
    from rich.progress import track

    from specklenn.core.errors import DataError
    from specklenn.core.evaluation.few_shot import embed
    from specklenn.core.files import DATA, LABEL, get_dataset, open_file, read_dataset
    from specklenn.core.preprocess import prepare

    with open_file(path) as file:
        total = len(get_dataset(file, DATA))
    embeddings, labels, names = [], [], []
    starts = range(0, total, BATCH)
    for first in track(starts, description="embedding", transient=True):
        part = read_dataset(path, slice(first, first + BATCH))
        if part.labels is None:
            raise DataError(f"{path}: evaluation needs labels at {LABEL}")
        prepared = prepare(part.patterns, part.mask, model.preprocessing)
        judged = prepared.flags == 0
        if judged.any():
            embeddings.append(embed(model.encoder, prepared.inputs[judged]))
            labels.append(part.labels[judged])
            everyone = np.full(len(part.labels), path.stem)
            names.append((everyone if part.names is None else part.names)[judged])
    if not embeddings:
        raise DataError(f"{path}: no pattern that can be judged")
    return np.concatenate(embeddings), np.concatenate(labels), np.concatenate(names)


def _write(path: Path, report: dict[str, Any]) -> None:
    from specklenn.core.errors import DataError

    try:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def _show(report: dict[str, Any], classes: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{len(classes)}-way: {', '.join(classes)}; rule: {report['rule']}"
    table = Table(title=title)
    for heading in ("shots", "accuracy", "95 % interval", "F1", "samples"):
        table.add_column(heading, justify="right")
    for shots, score in report["shots"].items():
        low, high = score["ci95"]
        table.add_row(
            shots,
            f"{score['accuracy']:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{score['f1']:.4f}",
            str(len(score["per_sample"])),
        )
    Console().print(table)
