"""What suggested labels are worth: accuracy after so many, against random ones.

specklenn simulate simulate -o a.h5 -n 800 --set seed=11
python benchmarks/labelling.py a.h5 ...

Labelled datasets; their labels stand for the person. Each is judged on four random
four fifths of its hits. Supports are all shots labelled so far, or the first five of
each class; the accuracy is that on all other hits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Rule, class_distances
from specklenn.core.evaluation.labelled_file import LabelledFile, embed_file
from specklenn.core.labelling.active_learning import ActiveLearner
from specklenn.core.labels import NO_HIT, SIMULATED
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint

Vectors = npt.NDArray[np.float32]
Texts = npt.NDArray[np.str_]
Order = npt.NDArray[np.int64]
Choose = Callable[[Vectors, Texts, int, np.random.Generator], Order]

NUMBERS = (5, 10, 15, 20, 30, 50)
PARTS = 4
CLASSES = tuple(name for name in SIMULATED if name != NO_HIT)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--weights", default="default")
    options = parser.parse_args()
    model = checkpoint.load(options.weights)
    runs = [hits(path, model) for path in options.files]
    print("supports, rule             " + "".join(f"{n:7d}" for n in NUMBERS))
    for name, choose in (("suggested", suggested), ("random", at_random)):
        measured = np.mean([curves(*run, choose) for run in runs], axis=0)
        for (most, rule), row in zip(WAYS, measured, strict=True):
            words = f"{name}, {'all' if most is None else f'first {most}'}, {rule}"
            print(f"{words:27s}" + "".join(f"{value:7.3f}" for value in row))


WAYS: list[tuple[int | None, Rule]] = [
    (most, rule) for most in (None, 5) for rule in ("soft", "prototype")
]


def hits(path: Path, model: Checkpoint) -> tuple[Vectors, Texts]:
    """Embeddings (N, D) and labels (N,) of the hits of a file."""
    (found,) = embed_file(LabelledFile(path), model)
    chosen = found.labels != NO_HIT
    return found.embeddings[chosen], found.labels[chosen]


def curves(vectors: Vectors, truth: Texts, choose: Choose) -> Vectors:
    """Mean accuracy by way of classifying and number of labels."""
    random, parts = np.random.default_rng(1), []
    for _ in range(PARTS):
        part = random.permutation(len(truth))[: round(0.8 * len(truth))]
        ours, labels = vectors[part], truth[part]
        order = choose(ours, labels, max(NUMBERS), random)
        parts.append(
            [
                [accuracy(ours, labels, order[:n], most, rule) for n in NUMBERS]
                for most, rule in WAYS
            ]
        )
    return np.mean(parts, axis=0)


def suggested(
    vectors: Vectors, truth: Texts, number: int, random: np.random.Generator
) -> Order:
    """Return the shots that are suggested, in turn."""
    learner, order = ActiveLearner(vectors, CLASSES), []
    labels = np.full(len(truth), "", truth.dtype)
    for _ in range(number):
        order.append(learner.suggest(labels, np.zeros(len(truth), bool)).position)
        labels[order[-1]] = truth[order[-1]]
    return np.array(order)


def at_random(
    vectors: Vectors, truth: Texts, number: int, random: np.random.Generator
) -> Order:
    """Return shots drawn at random."""
    return random.permutation(len(truth))[:number]


def accuracy(
    vectors: Vectors, truth: Texts, labelled: Order, most: int | None, rule: Rule
) -> float:
    """Share of the other shots that the labelled ones classify rightly."""
    names = sorted(set(truth[labelled]))
    own = [labelled[truth[labelled] == name][:most] for name in names]
    codes = np.repeat(np.arange(len(names)), [len(part) for part in own])
    rest = np.setdiff1d(np.arange(len(truth)), labelled)
    distances = class_distances(
        vectors[rest], vectors[np.concatenate(own)], codes, len(names), rule
    )
    return float(np.mean(np.array(names)[distances.argmin(axis=1)] == truth[rest]))


if __name__ == "__main__":
    main()
