import pytest
import torch

from specklenn.core.compact import CompactEncoder
from specklenn.core.model import Encoder
from specklenn.core.networks import ARCHITECTURES, make_network


def test_embeddings_are_unit_vectors():
    vectors = CompactEncoder(48)(torch.randn(5, 1, 48, 48))

    assert vectors.shape == (5, 128)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


def test_it_has_a_tenth_of_the_weights_of_the_papers_network_at_48_pixels():
    """Convolutions, batch normalisations (scale, shift), the layer at the end."""
    layers = [(1, 24, 5), (24, 40, 3), (40, 80, 3), (80, 32, 3)]
    filters = sum(a * b * side**2 + 2 * b for a, b, side in layers)
    expected = filters + 32 * 6 * 6 * 128 + 128

    number = sum(p.numel() for p in CompactEncoder(48).parameters())
    papers = sum(p.numel() for p in Encoder(48).parameters())

    assert number == expected
    assert number < papers / 10


@pytest.mark.parametrize("side", [0, 20, 47])
def test_inputs_that_do_not_halve_three_times_are_refused(side):
    with pytest.raises(ValueError, match="a multiple of 8"):
        CompactEncoder(side)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_networks_are_made_by_name(name):
    network = make_network(name, 32, 16)

    assert network.architecture == name
    assert (network.input_side, network.embedding_size) == (32, 16)
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 16)


def test_an_unknown_network_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'resnet', one of specklenn-2023, compact-1"):
        make_network("resnet", 48, 128)
