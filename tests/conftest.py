"""Small real things that many tests need: shots, models, supports, a clock."""

import os
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from specklenn.core.classify import Classifier
from specklenn.core.data import dataset_writer
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout
from specklenn.core.hitfinder import HitFinding
from specklenn.core.labelling.active_learning import ActiveLearner
from specklenn.core.labelling.data_identity import LabelledData
from specklenn.core.network import checkpoint
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.support import SupportSet

# Tests share few cores with the processes that they start.
torch.set_num_threads(1)

SIDE = 100
CLASSES = ("single-hit", "multi-hit", "non-sample-hit")


def pytest_collection_modifyitems(items):
    """Begin with the slow tests, so that none is left when other processes are done."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class FakeClock:
    """A clock that only moves when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return round(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Undo what a shell does to jobs in its background: they ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_columns():
    """Say sentences in one line, as in a pipe; pytest-xdist tells its own columns."""
    os.environ.pop("COLUMNS", None)


@pytest.fixture
def clock():
    return FakeClock()


def drawn_shots(number, seed=0):
    """Rings, fringes, streaks and darkness in turn: four classes, as photons."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y)
    expected = {
        "single-hit": 8 * np.cos(radius / 5) ** 2 * np.exp(-radius / 30),
        "multi-hit": 16
        * np.cos(radius / 5) ** 2
        * np.exp(-radius / 30)
        * np.cos(x / 3) ** 2,
        "non-sample-hit": 8.0 * (np.abs(y) < 6),
        "no-hit": np.full((SIDE, SIDE), 1e-3),
    }
    names = np.array([*expected])[np.arange(number) % 4]
    frames = np.stack([random.poisson(expected[name]) for name in names])
    return frames.astype(np.uint16), names


@pytest.fixture(scope="session")
def draw_shots():
    return drawn_shots


@pytest.fixture(scope="session")
def mask():
    bad = np.zeros((SIDE, SIDE), bool)
    bad[48:52] = True
    return bad


@pytest.fixture(scope="session")
def supports(mask):
    frames, names = drawn_shots(20, seed=99)
    chosen = names != "no-hit"
    return SupportSet(
        frames=frames[chosen],
        labels=names[chosen],
        classes=CLASSES,
        origins=tuple(f"memory {i}" for i in range(int(chosen.sum()))),
        version=7,
        mask=mask,
    )


@pytest.fixture(scope="session")
def model():
    """An untrained network: random features tell such simple classes apart."""
    torch.manual_seed(0)
    return checkpoint.Checkpoint(
        encoder=Encoder(48).eval(),
        preprocessing=Preprocessing(),
        card=checkpoint.Card(name="untrained"),
    )


@pytest.fixture
def classifier(model, supports, mask):
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    return Classifier(model, supports, preprocessor)


@pytest.fixture(scope="session")
def learn_from():
    """Make an active learner of embeddings alone."""

    def make(embeddings, classes, rule="soft", temperature=0.1):
        layout = FeatureLayout(embedding_size=embeddings.shape[1], blocks=())
        head = DistanceHead(rule=rule, layout=layout, temperature=temperature)
        return ActiveLearner(embeddings, embeddings, classes, lambda _: head)

    return make


@pytest.fixture
def pipeline(classifier):
    return Pipeline(classifier, HitFinding(), run=94, rank=1)


@dataclass(frozen=True)
class RunFolder:
    """A labelled run on disk with its weights, supports and configuration."""

    path: Path
    shots: int

    @property
    def config(self) -> Path:
        return self.path / "run.yaml"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, model, mask):
    """A CXI run of 600 shots; the first shots of each class are its supports."""
    folder = tmp_path_factory.mktemp("run")
    frames, names = drawn_shots(600)
    dataset_writer.write_dataset(folder / "run.cxi", frames, names, mask=mask)
    checkpoint.save(
        folder / "w.safetensors", model.encoder, model.preprocessing, model.card
    )
    events = {name: np.flatnonzero(names == name)[:5].tolist() for name in CLASSES}
    lines = [f"  {k}:\n    - {{file: run.cxi, events: {v}}}" for k, v in events.items()]
    (folder / "support.yaml").write_text("version: 3\nclasses:\n" + "\n".join(lines))
    (folder / "run.yaml").write_text(
        "run: {experiment: test, number: 94}\n"
        "source: {kind: hdf5, path: run.cxi}\n"
        "model: {weights: w.safetensors}\n"
        "support: {file: support.yaml}\n"
        "publish: {enabled: false}\n"
    )
    return RunFolder(folder, 600)


@pytest.fixture
def run_of(tmp_path):
    """Make the data of a run of random frames, with a file of their size."""

    def make(shots, seed=0, path=None, **name):
        random = np.random.default_rng(seed)
        frames = random.poisson(1, (shots, 4, 5)).astype(np.uint16)
        path = Path(path or tmp_path / "run.cxi")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(frames.tobytes())
        return LabelledData(path=path, shots=shots, frame_of=frames.__getitem__, **name)

    return make


@pytest.fixture(scope="session")
def command():
    """Run a specklenn command as a user would; returns the finished process."""
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONWARNINGS": "error",
    }
    binaries = Path(sys.executable).parent

    def call(*arguments, ranks=None, launcher=(), timeout=120, start=False, **options):
        if ranks is not None:
            launcher = [str(binaries / "mpirun"), "-n", str(ranks)]
        words = [*launcher, str(binaries / "specklenn"), *map(str, arguments)]
        options = {"env": environment, "text": True, **options}
        if start:
            return subprocess.Popen(words, **options)
        return subprocess.run(words, capture_output=True, timeout=timeout, **options)

    return call


@pytest.fixture(scope="session")
def read_emc():
    """Read a file of sparse photons value by value, as Dragonfly's documents say.

    Gives the frames (N, pixels), photons per pixel.
    """

    def read(path):
        values = [number for (number,) in struct.iter_unpack("<i", path.read_bytes())]
        frames, pixels, kind = values[:3]
        assert kind == 0
        assert not any(values[3:256])
        rest = iter(values[256:])
        ones = [next(rest) for _ in range(frames)]
        multi = [next(rest) for _ in range(frames)]
        found = np.zeros((frames, pixels), np.int64)
        for frame, number in zip(found, ones, strict=True):
            for _ in range(number):
                frame[next(rest)] += 1
        places = [[next(rest) for _ in range(number)] for number in multi]
        for frame, where in zip(found, places, strict=True):
            for place in where:
                frame[place] += next(rest)
        assert next(rest, None) is None
        return found

    return read


OTHER_PROCESS = """
import os, sys, h5py, numpy as np
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class OtherProcess:
    """A process that writes while this one reads; it does one line at a time."""

    def __init__(self, folder):
        words = [sys.executable, "-c", OTHER_PROCESS]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, cwd=folder, stdin=pipe, stdout=pipe, text=True
        )

    def do(self, *lines):
        """Run lines of Python, each with semicolons for line ends."""
        for line in lines:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n", line

    def kill(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()


@pytest.fixture
def writer(tmp_path):
    """Another process in this test's folder."""
    made = OtherProcess(tmp_path)
    yield made
    made.kill()
