import numpy as np
import pytest
import torch

from specklenn.core.baselines.shi2019 import (
    ShiNetwork,
    probabilities,
    train_shi,
)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_network_has_the_parameters_of_5_3_2_channels_and_two_full_layers():
    network = ShiNetwork(48)

    convolutions = (1 * 25 * 5 + 5) + (5 * 25 * 3 + 3) + (3 * 25 * 2 + 2)
    assert count(network.features) == convolutions == 660
    assert count(network.hidden) == 2 * 6 * 6 * 16 + 16
    assert count(network.output) == 16 + 1
    assert count(network) == 660 + 1168 + 17


@pytest.mark.parametrize("side", [8, 20, 48])
def test_every_pattern_gets_one_probability(side):
    found = ShiNetwork(side)(torch.randn(7, 1, side, side))

    assert found.shape == (7,)
    assert ((found > 0) & (found < 1)).all()


def test_an_input_that_pooling_would_leave_nothing_of_is_refused():
    with pytest.raises(ValueError, match="7 pixels, at least 8"):
        ShiNetwork(7)


def rings_and_fringes(number, seed):
    """Rings, and rings with fringes in any direction, with noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32] - 15.5
    angles = np.pi * random.random(number)[:, None, None]
    fringes = np.cos(1.3 * (x * np.cos(angles) + y * np.sin(angles)))
    first = np.arange(number) % 2 == 0
    rings = np.cos(np.hypot(x, y) / 2)
    patterns = np.where(first[:, None, None], rings, rings * fringes)
    patterns += 0.3 * random.normal(size=patterns.shape)
    return patterns.astype(np.float32), first


def test_it_learns_rings_and_fringes_from_twenty_of_each():
    inputs, first = rings_and_fringes(40, seed=1)
    others, truth = rings_and_fringes(100, seed=2)

    likely = probabilities(train_shi(inputs, first, steps=100, seed=0), others)

    assert ((likely > 0.5) == truth).mean() >= 0.95


def test_the_same_seed_trains_the_same_network_and_leaves_other_random_numbers_alone():
    inputs, first = rings_and_fringes(8, seed=1)
    torch.manual_seed(5)
    expected = torch.rand(3)

    torch.manual_seed(5)
    networks = [train_shi(inputs, first, steps=3, seed=seed) for seed in (0, 0, 1)]

    found = [probabilities(network, inputs) for network in networks]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    torch.testing.assert_close(torch.rand(3), expected)


def test_probabilities_in_batches_are_those_at_once(monkeypatch):
    inputs, _ = rings_and_fringes(10, seed=1)
    network = ShiNetwork(32).eval()
    together = probabilities(network, inputs)

    monkeypatch.setattr("specklenn.core.baselines.shi2019.QUERIES", 3)

    np.testing.assert_allclose(probabilities(network, inputs), together, atol=1e-6)
