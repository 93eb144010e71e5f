"""Weights that a training goes on from; a training that does: test_trainer.py."""

import pytest
import torch

from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.weight_mean import mean_weights
from specklenn.core.preprocess import Preprocessing

PREPROCESS = Preprocessing(crop=16, standardise=False)


@pytest.fixture
def network():
    """Returns networks by a seed, as a training leaves them: batches were seen."""

    def make(seed):
        torch.manual_seed(seed)
        made = CompactEncoder(16, 4)
        made(torch.rand(8, 1, 16, 16))
        return made.eval()

    return make


@pytest.fixture
def saved(tmp_path):
    def save(name, made):
        path = tmp_path / f"{name}.safetensors"
        checkpoint.save(path, made, PREPROCESS, Card(name=name))
        return path

    return save


def test_every_number_is_the_mean_of_those_in_the_files(network, saved):
    paths = [saved(name, network(seed)) for seed, name in enumerate("abc")]
    stored = [checkpoint.load(path).encoder.state_dict() for path in paths]

    mean = mean_weights(paths, network(9))

    assert set(mean) == set(stored[0])
    for name, value in mean.items():
        a, b, c = (weights[name].double() for weights in stored)
        torch.testing.assert_close(value.double(), (a + b + c) / 3, rtol=0, atol=1e-6)


def test_one_file_is_taken_bit_for_bit(network, saved):
    path = saved("a", network(1))

    mean = mean_weights([path], network(2))

    stored = checkpoint.load(path).encoder.state_dict()
    assert all(torch.equal(mean[name], value) for name, value in stored.items())


def test_what_one_of_the_files_lacks_is_left_out(network, saved):
    adapted = network(1)
    adapted.prototype_adapter = None

    mean = mean_weights([saved("a", network(0)), saved("b", adapted)], network(2))

    assert set(mean) == set(adapted.state_dict())
