"""Shots of two classes that a small network can be taught to tell apart."""

import numpy as np
import pytest
import torch

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.preprocess import Preprocessing

SIDE = 32
PREPROCESSING = Preprocessing(crop=SIDE, bin=2, standardise=False)


@pytest.fixture(scope="session")
def make_shots():
    """Photons of discs with fine stripes and of discs without, as bright."""

    def make(each, seed=0):
        random = np.random.default_rng(seed)
        rows, columns = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
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
    network = CompactEncoder(SIDE // 2, 16).eval()
    checkpoint.save(path, network, PREPROCESSING, Card(name="untrained"), "prototype")
    return path


@pytest.fixture
def labelled(tmp_path, make_shots):
    """A labelled dataset, 20 shots of each class: its path."""
    path = tmp_path / "labelled.h5"
    write_dataset(path, *make_shots(20))
    return path
