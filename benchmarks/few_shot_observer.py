"""What an observer could reach who must learn from supports which sample it is.

``python benchmarks/few_shot_observer.py --evaluated FILES --samples FILES`` simulates
every structure as ``ideal_observer.py`` does, single against multi, and prints, for
every fluence and number of supports, means over the evaluated structures:

known      Bayes' rule of an observer who knows the structure
among      of one who knows that it is one of the library, where it lies, too
without    of one whose library lacks it: what the other samples say
a half,    the same with a half and a quarter of the library
a quarter
network    the packaged model by its own rule, with the same photons and supports

``among`` knows more than anybody who meets a new sample, `without` less than one who
remembers more samples. See docs/physics.md. Every structure of the library takes about
20 s on one core with the defaults; ``--evidence FILE.npy`` keeps what they say, and a
later run with the same settings reads it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ideal_observer import (
    BIN,
    NORMAL_95,
    SHARPNESS,
    SIDE,
    Bench,
    make_bench,
    make_queries,
)
from observer import (
    LogMean,
    learned_ratio,
    rule_accuracy,
)
from rich.progress import track

from specklenn.core.decision import make_head
from specklenn.core.heads.head import Task
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.simulation.sample_library import find_structures
from specklenn.core.simulation.samples import Molecule
from specklenn.core.simulation.structures import read_structure

CLASSES = (SINGLE_HIT, MULTI_HIT)
SHOTS = (1, 5, 20)
DRAWS = 20
FLUENCES = (0.03, 0.1)
PARTS = {"without": 1, "a half": 2, "a quarter": 4}

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


def counts_of(bench: Bench, evaluated: list[Path]) -> Counts:
    """Draw the photons of (evaluated, class, fluence, shot, bin)."""
    samples = (Molecule(read_structure(path), bench.geometry) for path in evaluated)
    return np.array([bench.counts(sample) for sample in samples])


def evidence_of(
    bench: Bench, library: list[Path], counts: Counts, processes: int
) -> Floats:
    """Return log p(photons | class, sample) of all shots.

    Returns
    -------
    (library, class, evaluated, class of the shot, fluence, shot) float64
    """
    flat = counts.reshape(-1, *counts.shape[2:])
    found = []
    with ProcessPoolExecutor(processes) as pool:
        done = pool.map(of_sample, repeat(bench), library, repeat(flat))
        for both in track(done, "library", total=len(library)):
            found.append(np.reshape(both, (2, *counts.shape[:-1])))
    return np.array(found)


def of_sample(bench: Bench, path: Path, counts: Counts) -> list[Floats]:
    """Return log p(photons | class) for a sample: single-hits, multi-hits.

    Templates of multi-hits are smoothed, as `ideal_observer.figures` does.
    """
    sample = Molecule(read_structure(path), bench.geometry)
    queries = None
    means = {SINGLE_HIT: LogMean(), MULTI_HIT: LogMean()}
    for label, _, templates in bench.batches(sample):
        if queries is None:
            queries = make_queries(bench, counts, templates)
        sharpness = SHARPNESS if label == MULTI_HIT else (1.0,)
        for logarithms in queries.log_likelihoods(templates, sharpness):
            means[label].add(logarithms)
    if queries is None:
        raise ValueError("no templates")
    return [mean.value + queries.of_reference for mean in means.values()]


def vectors_of(bench: Bench, counts: Counts, model: Checkpoint) -> Vectors:
    """Return the features of shots, (evaluated, class, fluence, shot, F)."""
    settings = model.preprocessing
    if (settings.crop, settings.bin) != (SIDE, BIN):
        raise ValueError(
            f"the model crops {settings.crop} pixels and bins {settings.bin}"
        )
    pictures = bench.bins.pictures(counts.reshape(-1, counts.shape[-1]))
    features = extract_features(model.encoder, np.sqrt(pictures))
    return features.reshape(*counts.shape[:-1], -1)


def draws(seed: int, own: int, shots: int, number: int) -> Iterator[list[Counts]]:
    """Give an order of the shots of both classes; the first ones are supports."""
    for draw in range(DRAWS):
        random = np.random.default_rng([seed, own, shots, draw])
        yield [random.permutation(number) for _ in range(2)]


def of_observer(evidence: Floats, orders: list[Counts], shots: int) -> float:
    """Return the accuracy of an observer in one draw.

    Parameters
    ----------
    evidence : (library, class, class of the shot, shot) float64
    orders : two (shot,) int64
    shots : int
        Supports of each class; they are never queried.
    """
    supports = np.concatenate(
        [evidence[:, k, k, order[:shots]] for k, order in enumerate(orders)], axis=1
    )
    ratios = [
        learned_ratio(supports, *evidence[:, :, k, order[shots:]].swapaxes(0, 1))
        for k, order in enumerate(orders)
    ]
    return float(rule_accuracy(*ratios))


def of_network(
    vectors: Vectors, orders: list[Counts], shots: int, model: Checkpoint
) -> float:
    """Return the accuracy of a model in one draw; vectors are (class, shot, F)."""
    head = make_head(model.encoder, CLASSES, model.rule, model.temperature)
    pairs = list(zip(vectors, orders, strict=True))
    supports = np.concatenate([ours[order[:shots]] for ours, order in pairs])
    task = Task(supports=supports, classes=np.repeat([0, 1], shots), n_classes=2)
    fitted = head.fit(task)
    ratios = []
    for ours, order in pairs:
        scores = fitted(ours[order[shots:]]).scores.astype(np.float64)
        ratios.append(scores[:, 0] - scores[:, 1])
    return float(rule_accuracy(*ratios))


def accuracies(
    evidence: Floats,
    vectors: Vectors,
    own: int,
    shots: int,
    seed: int,
    model: Checkpoint,
) -> dict[str, float]:
    """Return the accuracy of everybody on one structure at one fluence.

    Parameters
    ----------
    evidence : (library, class, class of the shot, shot) float64
    vectors : (class of the shot, shot, F) float32
    own : int
        Place of the structure in the library.
    shots, seed : int
    model : Checkpoint
    """
    others = np.delete(np.arange(len(evidence)), own)
    found = []
    for orders in draws(seed, own, shots, evidence.shape[-1]):
        seen = {"known": np.array([own]), "among": np.append(others, own)}
        mixed = np.random.default_rng([seed, own, len(found)]).permutation(others)
        seen |= {name: mixed[: len(others) // part] for name, part in PARTS.items()}
        line = {
            name: of_observer(evidence[known], orders, shots)
            for name, known in seen.items()
        }
        found.append(line | {"network": of_network(vectors, orders, shots, model)})
    return {name: float(np.mean([line[name] for line in found])) for name in found[0]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluated", "--judged", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, help="of the library"
    )
    parser.add_argument("--fluences", type=float, nargs="+", default=FLUENCES)
    parser.add_argument("--templates", type=int, default=4096, help="of each class")
    parser.add_argument("--queries", type=int, default=100, help="of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--evidence", type=Path, help="FILE.npy to write, or to read")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    evaluated = [path for given in options.evaluated for path in find_structures(given)]
    samples = [path for given in options.samples for path in find_structures(given)]
    library = sorted({*samples, *evaluated})
    bench = make_bench(parser, options, library)
    counts = counts_of(bench, evaluated)
    if options.evidence and options.evidence.exists():
        evidence = np.load(options.evidence)
        expected = (len(library), 2, *counts.shape[:-1])
        if evidence.shape != expected:
            parser.error(f"{options.evidence}: {evidence.shape}, {expected} expected")
    else:
        evidence = evidence_of(bench, library, counts, options.processes)
        if options.evidence:
            np.save(options.evidence, evidence)
    model = checkpoint.load("default")
    vectors = vectors_of(bench, counts, model)
    written = []
    print(f"\n{len(evaluated)} structures, a library of {len(library)}")
    for f, fluence in enumerate(bench.fluences):
        for shots in SHOTS:
            lines = [
                accuracies(
                    evidence[:, :, i, :, f],
                    vectors[i, :, f],
                    library.index(path),
                    shots,
                    bench.seed,
                    model,
                )
                for i, path in enumerate(evaluated)
            ]
            print(f"fluence {fluence:g}, {shots:2d} supports:", table_line(lines))
            written.append({"fluence": fluence, "supports": shots, "structures": lines})
    if options.json:
        options.json.write_text(json.dumps(written, indent=1))


def table_line(lines: list[dict[str, float]]) -> str:
    """Return means over structures with their 95 % half widths."""
    cells = []
    for name in lines[0]:
        values = np.array([line[name] for line in lines])
        half = NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values))
        cells.append(f"{name} {values.mean():.3f} +- {half:.3f}")
    return ", ".join(cells)


if __name__ == "__main__":
    main()
