"""Labelled patterns that are easy to tell apart, and a small untrained network."""

import numpy as np
import pytest
import torch

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.evaluation.classifiers import model_classifier
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.preprocess import Preprocessing

SIDE = 40
SAMPLES = {"small": 9.0, "middle": 6.0, "large": 4.0}
"""Width of the rings of each sample, pixels."""


def expected_photons(sample, label, random):
    """Rings, crossed by fringes of any direction for a multi-hit."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y)
    rings = 9.0 * np.cos(radius / SAMPLES[sample]) ** 2 * np.exp(-radius / 15)
    if label == SINGLE_HIT:
        return rings
    angle = random.uniform(0, np.pi)
    return 2 * rings * np.cos((x * np.cos(angle) + y * np.sin(angle)) / 2) ** 2


def make_patterns(per_class, seed=0):
    """Expected photons, labels and names; sample after sample, class after class."""
    random = np.random.default_rng(seed)
    rows = [
        (sample, label)
        for sample in SAMPLES
        for label in (SINGLE_HIT, MULTI_HIT)
        for _ in range(per_class)
    ]
    patterns = [expected_photons(sample, label, random) for sample, label in rows]
    names, labels = np.array(rows).T
    return np.array(patterns, np.float32), labels, names


@pytest.fixture(scope="session")
def make_expected():
    return make_patterns


@pytest.fixture(scope="session")
def tiny_model():
    """An untrained network that sees the inner 32 x 32 pixels."""
    torch.manual_seed(0)
    return checkpoint.Checkpoint(
        encoder=Encoder(16, 16).eval(),
        preprocessing=Preprocessing(crop=32, bin=2),
        card=checkpoint.Card(name="tiny", sha256="0123"),
    )


@pytest.fixture(scope="session")
def beam_stop():
    bad = np.zeros((SIDE, SIDE), bool)
    bad[18:22, 18:22] = True
    return bad


@pytest.fixture(scope="session")
def clean_file(tmp_path_factory, beam_stop):
    """Expected photons of three samples, 12 of each class of each."""
    path = tmp_path_factory.mktemp("clean") / "clean.h5"
    write_dataset(path, *make_patterns(12), mask=beam_stop)
    return LabelledFile(path)


@pytest.fixture(scope="session")
def embedding_classifier():
    """Make a classifier of embeddings alone, a variant for each rule."""

    def make(name, embeddings, rules, prototype_fn=None, temperature=0.1):
        layout = FeatureLayout(embedding_size=embeddings.shape[1], blocks=())
        heads = {
            rule: DistanceHead(
                rule=rule,
                layout=layout,
                temperature=temperature,
                prototype_fn=prototype_fn,
            )
            for rule in rules
        }
        return model_classifier(name, embeddings, heads)

    return make


@pytest.fixture(scope="session")
def evaluate_embeddings(embedding_classifier):
    """Score embeddings by one rule: a summary for every number of supports."""

    def call(embeddings, labels, names, *, rule="mean", adapter=None, **settings):
        asked = EvaluationSettings(**settings)
        prototype_fn = make_prototype_fn(adapter, asked.classes)
        model = embedding_classifier("model", embeddings, (rule,), prototype_fn)
        return evaluate([model], draw_few_shot(labels, names, asked)).first

    return call


@pytest.fixture
def adapter_to():
    """Make an adapter that puts each of the three known kinds at one place."""

    def make(prototypes):
        prototypes = torch.tensor(np.array(prototypes), dtype=torch.float32)
        size = prototypes.shape[1]
        adapter = PrototypeAdapter(size).eval()
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.zero_()
            kinds = torch.eye(3)
            adapter.each.weight[:3, size : size + 3] = kinds
            adapter.together.weight[:3, :3] = kinds
            adapter.offset.weight[:, :3] = prototypes.T
            adapter.share.bias.fill_(-100.0)  # nothing of the supports
        return adapter

    return make


STRIPES_SIDE = 32
STRIPES_PREPROCESSING = Preprocessing(crop=STRIPES_SIDE, bin=2, standardise=False)


@pytest.fixture(scope="session")
def make_shots():
    """Photons of discs with fine stripes and of discs without, as bright."""

    def make(each, seed=0):
        random = np.random.default_rng(seed)
        rows, columns = (
            np.indices((STRIPES_SIDE, STRIPES_SIDE)) - (STRIPES_SIDE - 1) / 2
        )
        disc = 10 * np.exp(-(rows**2 + columns**2) / 60)
        angles = random.uniform(0, np.pi, (2 * each, 1, 1))
        across = np.cos(angles) * rows + np.sin(angles) * columns
        striped = np.where(np.arange(2 * each)[:, None, None] < each, 1, 0)
        expected = disc * (1 + 0.9 * striped * np.sin(across * 1.6))
        labels = np.repeat(["multi-hit", "single-hit"], each)
        return random.poisson(expected).astype(np.uint16), labels

    return make


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """Weights of a small network that has learned nothing: their path."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    network = CompactEncoder(STRIPES_SIDE // 2, 16).eval()
    checkpoint.save(
        path, network, STRIPES_PREPROCESSING, Card(name="untrained"), "prototype"
    )
    return path


@pytest.fixture
def labelled(tmp_path, make_shots):
    """A labelled dataset, 20 shots of each class: its path."""
    path = tmp_path / "labelled.h5"
    write_dataset(path, *make_shots(20))
    return path
