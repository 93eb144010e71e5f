"""Shots a second and latency of the classification chain, on one core.

Run ``python benchmarks/encoder.py``. The chain is crop, hit-find, normalise,
embed, distances, row; the yardstick is a plain per-shot PyTorch loop, measured
in the same run, with the released model's network and with the paper's 96 x 96
input.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from plain_loop import FRAME, PlainLoop, per_second, some_frames

from specklenn.core.classify import Classifier
from specklenn.core.data.shots import Shots
from specklenn.core.hitfinder import HitFinding
from specklenn.core.network import checkpoint
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor
from specklenn.core.support import SupportSet

BATCHES = (1, 8, 64, 256)


def make_pipeline() -> Pipeline:
    """Return the released model with fifteen supports."""
    model = checkpoint.load("default")
    supports = SupportSet(
        frames=some_frames(15, seed=1),
        labels=np.repeat(["single-hit", "multi-hit", "non-sample-hit"], 5),
        classes=("single-hit", "multi-hit", "non-sample-hit"),
        origins=("made up",) * 15,
    )
    preprocessor = Preprocessor(model.preprocessing, FRAME)
    return Pipeline(Classifier(model, supports, preprocessor), HitFinding())


def as_shots(frames: np.ndarray) -> Shots:
    """Return frames as a batch."""
    number = len(frames)
    return Shots(
        index=np.arange(number),
        timestamp_ns=np.zeros(number, np.uint64),
        arrived_ns=np.zeros(number, np.uint64),
        frames=frames,
        flags=np.zeros(number, np.uint16),
        truth=np.full(number, ""),
    )


def latencies_ms(pipeline: Pipeline, frames: np.ndarray, number: int) -> np.ndarray:
    """Return how long single shots take."""
    shots = [as_shots(frames[i : i + 1]) for i in range(len(frames))]
    times = []
    for turn in range(number):
        start = time.perf_counter()
        pipeline.classify(shots[turn % len(shots)])
        times.append(time.perf_counter() - start)
    return np.array(times[10:]) * 1000


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    frames, pipeline = some_frames(256), make_pipeline()
    ours, papers = PlainLoop(Encoder(48)), PlainLoop(Encoder(96))
    plain = per_second(lambda: [ours(f) for f in frames[:64]], 64)
    paper = per_second(lambda: [papers(f) for f in frames[:64]], 64)
    print(f"plain per-shot loop, 48 x 48: {plain:8.0f} shots/s   1.00")
    print(f"plain per-shot loop, 96 x 96: {paper:8.0f} shots/s   {paper / plain:.2f}")
    for number in BATCHES:
        shots = as_shots(frames[:number])
        rate = per_second(lambda shots=shots: pipeline.classify(shots), number)
        print(
            f"chain, hits, batch {number:4d}:      {rate:8.0f} shots/s   "
            f"{rate / plain:.2f}   ({rate / paper:.1f} of 96 x 96)"
        )
    dark = as_shots(np.random.default_rng(0).normal(0, 0.15, (256, *FRAME)))
    rate = per_second(lambda: pipeline.classify(dark), 256)
    print(f"chain, no hits, batch  256:   {rate:8.0f} shots/s   {rate / plain:.2f}")
    times = latencies_ms(pipeline, frames, 500)
    p50, p99 = np.percentile(times, [50, 99])
    print(f"latency of one hit at batch 1: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
