"""What suggested labels are worth: accuracy after so many, against random ones.

specklenn simulate simulate -o a.h5 -n 800 --set seed=11
python benchmarks/labelling.py a.h5 ...

Labelled datasets; their labels stand for the person. Each is judged on four random
four fifths of its hits. Supports are all shots labelled so far, or the first five of
each class; the accuracy is that on all other hits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.decision import make_head
from specklenn.core.distances import Rule
from specklenn.core.evaluation.labelled_file import LabelledFile, embed_file
from specklenn.core.heads.head import Features, Head, Task
from specklenn.core.labelling.active_learning import ActiveLearner
from specklenn.core.labels import NO_HIT, SIMULATED
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import feature_layout

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]
Order = npt.NDArray[np.int64]

NUMBERS = (5, 10, 15, 20, 30, 50)
PARTS = 4
CLASSES = tuple(name for name in SIMULATED if name != NO_HIT)
WAYS: list[tuple[int | None, Rule]] = [
    (most, rule) for most in (None, 5) for rule in ("ensemble", "soft", "prototype")
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--weights", default="default")
    options = parser.parse_args()
    model = checkpoint.load(options.weights)
    runs = [hits(path, model) for path in options.files]
    print("supports, rule                 " + "".join(f"{n:7d}" for n in NUMBERS))
    for name, choose in (("suggested", suggested), ("random", at_random)):
        measured = np.mean([curves(run, choose) for run in runs], axis=0)
        for (most, rule), row in zip(WAYS, measured, strict=True):
            words = f"{name}, {'all' if most is None else f'first {most}'}, {rule}"
            print(f"{words:31s}" + "".join(f"{value:7.3f}" for value in row))


@dataclass(frozen=True, kw_only=True, eq=False)
class Hits:
    """Hits of a run: their features (N, F), labels (N,), and the model."""

    features: Features
    truth: Texts
    model: Checkpoint

    def only(self, rows: Order) -> Hits:
        """Return some of them."""
        return Hits(
            features=self.features[rows], truth=self.truth[rows], model=self.model
        )

    def head(self, classes: Sequence[str], rule: Rule) -> Head:
        """Return the head that classifies them."""
        return make_head(self.model.encoder, classes, rule, self.model.temperature)


Choose = Callable[[Hits, int, np.random.Generator], Order]


def hits(path: Path, model: Checkpoint) -> Hits:
    """Return the hits of a file."""
    (found,) = embed_file(LabelledFile(path), model)
    chosen = found.labels != NO_HIT
    return Hits(
        features=found.features[chosen], truth=found.labels[chosen], model=model
    )


def curves(run: Hits, choose: Choose) -> Floats:
    """Mean accuracy by way of classifying and number of labels."""
    random, parts = np.random.default_rng(1), []
    for _ in range(PARTS):
        number = len(run.truth)
        ours = run.only(random.permutation(number)[: round(0.8 * number)])
        order = choose(ours, max(NUMBERS), random)
        parts.append(
            [
                [accuracy(ours, order[:n], most, rule) for n in NUMBERS]
                for most, rule in WAYS
            ]
        )
    return np.mean(parts, axis=0)


def suggested(run: Hits, number: int, random: np.random.Generator) -> Order:
    """Return the shots that are suggested, in turn."""
    embeddings = feature_layout(run.model.encoder).embeddings(run.features)
    learner = ActiveLearner(
        run.features,
        embeddings,
        CLASSES,
        lambda classes: run.head(classes, run.model.rule),
    )
    labels, order = np.full(len(run.truth), "", run.truth.dtype), []
    for _ in range(number):
        order.append(learner.suggest(labels, np.zeros(len(labels), bool)).position)
        labels[order[-1]] = run.truth[order[-1]]
    return np.array(order)


def at_random(run: Hits, number: int, random: np.random.Generator) -> Order:
    """Return shots drawn at random."""
    return random.permutation(len(run.truth))[:number]


def accuracy(run: Hits, labelled: Order, most: int | None, rule: Rule) -> float:
    """Share of the other shots that the labelled ones classify rightly."""
    names = sorted(set(run.truth[labelled]))
    own = [labelled[run.truth[labelled] == name][:most] for name in names]
    task = Task(
        supports=run.features[np.concatenate(own)],
        classes=np.repeat(np.arange(len(names)), [len(part) for part in own]),
        n_classes=len(names),
    )
    rest = run.only(np.setdiff1d(np.arange(len(run.truth)), labelled))
    scores = run.head(names, rule).fit(task)(rest.features).scores
    return float(np.mean(np.array(names)[scores.argmax(axis=1)] == rest.truth))


if __name__ == "__main__":
    main()
