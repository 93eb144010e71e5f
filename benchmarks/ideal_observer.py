"""Which accuracy an observer who knows the structure could reach, single against multi.

``python benchmarks/ideal_observer.py --structures FOLDER`` simulates every structure
at the benchmark geometry (centre crop 96 x 96, binned 2 x 2, mask applied, photons
counted without read noise) and prints, for every fluence, means over structures:

rule    Bayes' rule with this many templates, at most the ideal accuracy
limit   an upper limit of the ideal accuracy, once p(single) has converged
count   Bayes' rule that is given the number of photons only
shape   Bayes' rule that is given everything but the number of photons

See docs/physics.md, "What an ideal observer could reach". A structure of 20,000 atoms
takes 40 s on one core with the defaults. Needs scipy beside the packages that
simulate.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from observer import (
    LogMean,
    Queries,
    accuracy_limit,
    rule_accuracy,
)

from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.exposure import expose
from specklenn.core.simulation.noise import draw_jitter
from specklenn.core.simulation.rotations import random_rotations
from specklenn.core.simulation.sample_library import find_structures
from specklenn.core.simulation.samples import Molecule, ParticleShape, Sample
from specklenn.core.simulation.structures import read_structure

SIDE = 96
BIN = 2
SHARPNESS = (1.0, 0.75, 0.5)
POOL = 4000
BATCH = 256
"""Patterns simulated at a time; each makes four templates."""

STEP = 4 * BATCH

STAGES = (16, 4, 1)
"""Accuracies are also given with a 16th and a quarter of many templates."""

FIGURES = ("rule", "limit", "count", "shape")
FLUENCES = (0.03, 0.1, 0.3, 1.0, 10.0)
QUERY_STREAM, TEMPLATE_STREAM = 1, 2
NORMAL_95 = 1.96

Pictures = npt.NDArray[np.float32]


class Pool:
    """A sample whose orientations are those of some fields worked out before.

    Parameters
    ----------
    sample : Sample
    random : Generator
    number : int
        Fields to keep.
    """

    def __init__(self, sample: Sample, random: np.random.Generator, number: int):
        self.name, self._sample, self._random = sample.name, sample, random
        form = sample.draw_form(random)
        turns = random_rotations(random, number)
        self._fields = np.array([sample.field(turn, form) for turn in turns])
        self.nbytes = self._fields.nbytes

    def draw_form(self, random: np.random.Generator) -> ParticleShape:
        """Draw a form as the sample does."""
        return self._sample.draw_form(random)

    def field(
        self, rotation: npt.NDArray[np.float64], form: ParticleShape
    ) -> npt.NDArray[np.complex64]:
        """Return one of the fields kept, whatever the rotation."""
        chosen: npt.NDArray[np.complex64] = self._fields[
            self._random.integers(len(self._fields))
        ]
        return chosen


class Bins:
    """The good bins of the crop.

    Parameters
    ----------
    geometry : Geometry
        Square, of ``SIDE`` pixels.
    """

    def __init__(self, geometry: Geometry) -> None:
        good = (~geometry.bad).astype(np.float32)
        self._good = good.reshape(SIDE, SIDE)
        self._weights = geometry.cross_sections.astype(np.float32).reshape(SIDE, SIDE)
        self._pixels = self._summed(self._good)
        self._seen = self._pixels > 0

    def photons(self, patterns: Pictures) -> Pictures:
        """Sum (B, P) photons over the good pixels of every bin, (B, bins)."""
        squares = patterns.reshape(-1, SIDE, SIDE)
        return self._summed(squares * self._good)[:, self._seen]

    def pictures(self, photons: npt.NDArray[np.number]) -> Pictures:
        """Lay (B, bins) photons out, as if bins were whole, NaN where bad."""
        pictures = np.full((len(photons), *self._seen.shape), np.nan, np.float32)
        pictures[:, self._seen] = photons * (BIN**2 / self._pixels[self._seen])
        return pictures

    def turned(self, patterns: Pictures) -> Pictures:
        """Turn (B, P) photons by 0, 90, 180 and 270 degrees about the beam and bin.

        The pixels' places are the same after a quarter turn; polarisation and mask
        stay where they are. Every turn is as probable a shot as the first.
        """
        plain = patterns.reshape(-1, SIDE, SIDE) / self._weights
        turns = [np.rot90(plain, turn, (1, 2)) * self._weights for turn in range(4)]
        return self.photons(np.concatenate(turns))

    def _summed(self, squares: Pictures) -> Pictures:
        bins = SIDE // BIN
        summed: Pictures = squares.reshape(-1, bins, BIN, bins, BIN).sum(axis=(2, 4))
        return summed if squares.ndim == 3 else summed[0]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is the same for all structures."""

    experiment: Experiment
    geometry: Geometry
    bins: Bins
    fluences: tuple[float, ...]
    templates: int
    queries: int
    seed: int

    def patterns(
        self, random: np.random.Generator, label: str, sample: Sample, number: int
    ) -> Pictures:
        """Draw noise-free patterns, (number, P) photons per pixel at fluence 1."""
        shots = (
            expose(random, self.experiment, self.geometry, label, sample)
            for _ in range(number)
        )
        return np.array([shot.expected for shot in shots])

    def counts(self, sample: Sample) -> npt.NDArray[np.int64]:
        """Draw photons of (class, fluence, query, bin), the singles first."""
        random = np.random.default_rng([self.seed, QUERY_STREAM])
        noise = self.experiment.noise
        expected = []
        for label in (SINGLE_HIT, MULTI_HIT):
            shots = self.bins.photons(
                self.patterns(random, label, sample, self.queries)
            )
            jitter = [draw_jitter(random, noise) for _ in shots]
            expected.append(shots * np.array(jitter)[:, None])
        scale = np.array(self.fluences)[:, None, None]
        return random.poisson(np.array(expected)[:, None] * scale)

    def batches(self, sample: Sample) -> Iterator[tuple[str, int, Pictures]]:
        """Give templates of both classes in turn: class, number so far, templates."""
        random = np.random.default_rng([self.seed, TEMPLATE_STREAM])
        pool = Pool(sample, random, min(POOL, self.templates))
        for done in range(0, self.templates, STEP):
            for label, source in ((SINGLE_HIT, sample), (MULTI_HIT, pool)):
                shots = self.patterns(random, label, source, BATCH)
                yield label, done + STEP, self.bins.turned(shots)


def measure(bench: Bench, path: Path) -> dict[str, dict[str, list[float]]]:
    """Return the accuracies of a structure: templates, figure, for every fluence."""
    sample = Molecule(read_structure(path), bench.geometry)
    counts = bench.counts(sample)
    whole = count = None
    evidence = {label: (LogMean(), LogMean()) for label in (SINGLE_HIT, MULTI_HIT)}
    found = {}
    for label, done, templates in bench.batches(sample):
        totals = templates.sum(axis=1, keepdims=True)
        if whole is None or count is None:
            whole = make_queries(bench, counts, templates)
            count = make_queries(bench, counts.sum(axis=-1, keepdims=True), totals)
        evidence[label][0].add(whole.log_likelihoods(templates, SHARPNESS))
        evidence[label][1].add(count.log_likelihoods(totals))
        if label == MULTI_HIT and done in stages(bench.templates):
            singles, multis = evidence[SINGLE_HIT], evidence[MULTI_HIT]
            found[str(done)] = figures(
                *(each.value.reshape(-1, *counts.shape[:3]) for each in singles),
                *(each.value.reshape(-1, *counts.shape[:3]) for each in multis),
            )
    return found


def stages(templates: int) -> list[int]:
    """Return the numbers of templates at which accuracies are taken."""
    return [templates // part for part in STAGES if templates // part % STEP == 0]


def make_queries(
    bench: Bench, counts: npt.NDArray[np.int64], templates: Pictures
) -> Queries:
    """Return the photons of (class, fluence, query, ...) as queries, row by row."""
    rows = np.broadcast_to(np.array(bench.fluences)[:, None], counts.shape[:3])
    flat = counts.reshape(-1, counts.shape[-1])
    noise = bench.experiment.noise
    return Queries(flat, rows.ravel(), templates.mean(axis=0), noise)


def figures(
    single: npt.NDArray[np.float64],
    single_count: npt.NDArray[np.float64],
    multi: npt.NDArray[np.float64],
    multi_count: npt.NDArray[np.float64],
) -> dict[str, list[float]]:
    """Turn evidence, (sharpness, class, fluence, query), into accuracies."""
    smoothed = LogMean()
    smoothed.add(np.moveaxis(multi, 0, -1))
    rule = single[0] - smoothed.value
    exact = single[0] - multi[0]
    count = single_count[0] - multi_count[0]
    return {
        "rule": rule_accuracy(*rule).tolist(),
        "limit": accuracy_limit(exact[0]).tolist(),
        "count": rule_accuracy(*count).tolist(),
        "shape": rule_accuracy(*(rule - count)).tolist(),
    }


def summary(
    structures: dict[str, dict[str, dict[str, list[float]]]], templates: int
) -> dict[str, dict[str, list[list[float]]]]:
    """Return mean and 95 % half width over structures, for every fluence."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for stage in map(str, stages(templates)):
        found[stage] = {}
        for figure in FIGURES:
            values = np.array([each[stage][figure] for each in structures.values()])
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0]
            half = NORMAL_95 * spread / np.sqrt(len(values))
            found[stage][figure] = np.stack((values.mean(axis=0), half), 1).tolist()
    return found


def print_table(
    means: dict[str, dict[str, list[list[float]]]], fluences: tuple[float, ...]
) -> None:
    """Print the means over structures with their intervals."""
    print(f"\n{'templates':>10s} {'':6s}", *(f"{value:>14g}" for value in fluences))
    for stage, rows in means.items():
        for figure, values in rows.items():
            cells = (f"{mean:7.3f} +-{half:.3f}" for mean, half in values)
            print(f"{stage:>10s} {figure:6s}", *cells)


def make_bench(
    parser: argparse.ArgumentParser, options: argparse.Namespace, paths: list[Path]
) -> Bench:
    """Return what the options say; ends the program if that cannot be."""
    if options.templates < STEP or options.templates % STEP:
        parser.error(f"--templates: {options.templates}, a multiple of {STEP} expected")
    detector = Detector(rows=SIDE, columns=SIDE)
    geometry = Geometry.of(detector)
    return Bench(
        experiment=Experiment(detector=detector, structures=tuple(paths)),
        geometry=geometry,
        bins=Bins(geometry),
        fluences=tuple(options.fluences),
        templates=options.templates,
        queries=options.queries,
        seed=options.seed,
    )


def main() -> None:
    """Measure every structure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--structures", type=Path, nargs="+", required=True)
    parser.add_argument("--fluences", type=float, nargs="+", default=FLUENCES)
    parser.add_argument("--templates", type=int, default=16384, help="of each class")
    parser.add_argument("--queries", type=int, default=200, help="of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    paths = [path for given in options.structures for path in find_structures(given)]
    bench = make_bench(parser, options, paths)
    found = {}
    for number, path in enumerate(paths, start=1):
        start = time.perf_counter()
        found[path.stem] = measure(bench, path)
        last = found[path.stem][str(options.templates)]
        took = time.perf_counter() - start
        print(f"{number}/{len(paths)} {path.stem}, {took:.0f} s")
        for figure, values in last.items():
            print(f"  {figure:6s}", *(f"{value:.3f}" for value in values), flush=True)
    means = summary(found, options.templates)
    print_table(means, bench.fluences)
    if options.json:
        settings = {
            "fluences": bench.fluences,
            "templates": bench.templates,
            "queries": bench.queries,
            "seed": bench.seed,
        }
        written = {"settings": settings, "structures": found, "mean": means}
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
