"""Runs of which everything is known, in memory."""

from dataclasses import dataclass

import numpy as np
import pytest

from specklenn.core.data.shots import blank_shots
from specklenn.core.hitfinder import HitFinding
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.survey.run_sample import look_at
from specklenn.core.survey.survey import RunSurvey

SHAPE = (100, 110)
FINDING = HitFinding(minimum_lit_pixels=50)


@dataclass
class FramesSource:
    """A run in memory."""

    frames: np.ndarray
    times: np.ndarray
    first: int = 0

    def __post_init__(self):
        self.shape = self.frames.shape[1:]
        self.reads = []

    def __len__(self):
        return len(self.frames)

    def read(self, start, stop):
        self.reads.append((start, stop))
        shots = blank_shots(start, stop, self.shape, self.frames.dtype)
        shots.frames[:] = self.frames[start:stop]
        shots.timestamp_ns[:] = self.times[start:stop]
        return shots

    def close(self):
        pass


def spheres(number, centre=(50.0, 55.0), seed=0):
    """Photons of spheres of random size, about a point; every fourth shot is dark."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    q = np.hypot(y - centre[0], x - centre[1])
    sizes = random.uniform(0.2, 0.4, (number, 1, 1)) * q
    form = 3 * (np.sin(sizes) - sizes * np.cos(sizes)) / np.maximum(sizes, 1e-3) ** 3
    light = 200 * form**2
    light[3::4] = 0.002
    return random.poisson(light).astype(np.uint16)


@pytest.fixture
def make_spheres():
    return spheres


@pytest.fixture
def source_of():
    """Make a run of frames at 120 Hz, or of given times in nanoseconds."""

    def make(frames, times=None):
        if times is None:
            times = 1_600_000_000 * 10**9 + np.arange(len(frames)) * (10**9 // 120)
        return FramesSource(frames, np.asarray(times, np.uint64))

    return make


@pytest.fixture
def survey_of(source_of):
    """Survey frames with a crop of 80 pixels and hits of 50 lit pixels."""

    def make(
        frames,
        mask=None,
        masks=None,
        times=None,
        centre=None,
        supports=(),
        support_lit=(),
        finding=FINDING,
        **calibration,
    ):
        preprocessor = Preprocessor(
            Preprocessing(crop=80, bin=2, centre=centre),
            frames.shape[1:],
            mask,
            **calibration,
        )
        sample = look_at(source_of(frames, times), preprocessor, finding, lambda: 0.0)
        photons = np.array(supports, np.float32)
        lit = np.array(support_lit, np.int32)
        return RunSurvey.of(sample, preprocessor, finding, masks or {}, photons, lit)

    return make
