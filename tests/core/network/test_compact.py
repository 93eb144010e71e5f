import numpy as np
import pytest
import torch

from specklenn.core.network.compact import CompactEncoder, split_level
from specklenn.core.network.registry import ARCHITECTURES, make_network
from specklenn.core.network.specklenn2023 import Encoder


def test_embeddings_are_unit_vectors():
    vectors = CompactEncoder(48)(torch.randn(5, 1, 48, 48))

    assert vectors.shape == (5, 128)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


def test_it_has_about_a_third_of_the_weights_of_the_papers_network():
    """Convolutions, normalisations (scale, shift), modulations, rest, adapter."""
    layers = [(4, 32, 5), (32, 48, 3), (48, 96, 3), (96, 48, 3)]
    filters = sum(a * b * side**2 + 2 * b for a, b, side in layers)
    first, of_32 = 2 * 32 + 32, 32 + 1
    modulations = sum(first + of_32 * 2 * b for _, b, _ in layers)
    level = first + of_32 * 32
    hidden = (48 * 6 * 6 + 32) * 384 + 2 * 384
    adapter = 132 * 160 + 160 + 320 * 160 + 160 + 160 + 1 + 160 * 128 + 128
    expected = filters + modulations + level + hidden + 384 * 128 + 128 + adapter

    number = sum(p.numel() for p in CompactEncoder(48).parameters())
    papers = sum(p.numel() for p in Encoder(48).parameters())

    assert number == expected
    assert number < 0.35 * papers
    assert number < 1_000_000


def test_the_level_is_split_off_over_the_good_pixels_only():
    random = np.random.default_rng(0)
    photons = random.poisson(3.0, (4, 16, 16)).astype(np.float32)
    photons[:, :, 5:8] = np.nan
    roots = np.sqrt(photons)

    pictures, levels = split_level(torch.from_numpy(roots)[:, None])

    good = np.delete(roots, [5, 6, 7], axis=2).reshape(4, -1)
    expected = np.stack(((good**2).mean(axis=1), good.var(axis=1)), axis=1)
    np.testing.assert_allclose(10 ** levels.numpy(), expected, rtol=1e-3)
    kept = np.delete(pictures[:, 0].numpy(), [5, 6, 7], axis=2).reshape(4, -1)
    standard = (good - good.mean(1, keepdims=True)) / good.std(1, keepdims=True)
    np.testing.assert_allclose(kept, standard, atol=1e-4)
    np.testing.assert_array_equal(pictures[:, 1].numpy(), ~np.isnan(roots))


def test_every_pixel_comes_with_its_mate_across_the_beam():
    random = np.random.default_rng(1)
    roots = np.sqrt(random.poisson(3.0, (3, 16, 16)).astype(np.float32))
    roots[:, 2:4] = np.nan

    pictures, _ = split_level(torch.from_numpy(roots)[:, None])

    own, mates = pictures[:, :2].numpy(), pictures[:, 2:].numpy()
    for row, column in random.integers(16, size=(20, 2)):
        across = 15 - row, 15 - column
        np.testing.assert_array_equal(
            mates[:, :, row, column], own[:, :, across[0], across[1]]
        )


def test_bad_pixels_say_nothing_and_empty_patterns_are_finite():
    roots = torch.full((2, 1, 16, 16), torch.nan)
    roots[1] = 0.0

    pictures, levels = split_level(roots)

    assert bool((pictures[:, 0] == 0).all())
    assert bool(levels.isfinite().all())


def test_brightness_alone_changes_the_embedding():
    torch.manual_seed(0)
    network = CompactEncoder(16).eval()
    pattern = torch.rand(1, 1, 16, 16)
    pictures, _ = split_level(torch.cat((pattern, 10 * pattern)))

    torch.testing.assert_close(pictures[0], pictures[1])
    vectors = network(torch.cat((pattern, 10 * pattern))).detach()
    assert float((vectors[0] - vectors[1]).norm()) > 1e-3


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
    with pytest.raises(ValueError, match="'resnet', one of specklenn-2023, compact-3"):
        make_network("resnet", 48, 128)
