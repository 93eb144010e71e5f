import numpy as np
import pytest
import torch

from specklenn.core.heads.feature_space import BY_EMBEDDING, BY_RINGS
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.embed import CPU_BATCH, embed
from specklenn.core.network.features import extract_features, feature_layout
from specklenn.core.network.ring_statistics import RINGS, ring_statistics
from specklenn.core.network.specklenn2023 import Encoder

SIDE = 32


@pytest.fixture(params=[CompactEncoder, Encoder])
def encoder(request):
    torch.manual_seed(0)
    return request.param(SIDE, 16).eval()


def inputs(number, seed=0):
    random = np.random.default_rng(seed)
    return np.sqrt(random.poisson(2.0, (number, SIDE, SIDE))).astype(np.float32)


def test_the_embedding_comes_first_and_the_rings_last(encoder):
    given = inputs(6)

    found = extract_features(encoder, given)

    assert found.dtype == np.float32
    assert found.shape == (6, feature_layout(encoder).size)
    layout = feature_layout(encoder)
    np.testing.assert_array_equal(layout.embeddings(found), embed(encoder, given))
    np.testing.assert_array_equal(found[:, -3 * RINGS :], ring_statistics(given))


def test_between_them_are_means_of_the_channels_of_every_layer(encoder):
    """Recomputed from what the layers themselves give."""
    given = inputs(6)
    names = (
        [f"layers.{number}" for number in range(len(encoder.pooled_sizes))]
        if isinstance(encoder, CompactEncoder)
        else ["normalisation_1", "normalisation_2"]
    )
    means = []

    def remember(_, taken, picture):
        if isinstance(encoder, Encoder):
            picture = torch.nn.functional.max_pool2d(picture, 2)
        means.append(picture.flatten(2).mean(dim=2).numpy())

    for name in names:
        encoder.get_submodule(name).register_forward_hook(remember)
    found = extract_features(encoder, given)

    np.testing.assert_allclose(
        found[:, encoder.embedding_size : -3 * RINGS],
        np.concatenate(means, axis=1),
        atol=1e-6,
    )


def test_blocks_have_the_sizes_of_their_columns_and_all_are_weighted(encoder):
    layout = feature_layout(encoder)

    sizes = {block.name: block.size for block in layout.blocks}

    *earlier, last = encoder.pooled_sizes
    assert sizes == {
        "earlier_layers": sum(earlier),
        "last_layer": last,
        "fano": RINGS,
        "profile": RINGS,
        "contrast": RINGS,
    }
    for weighting in (BY_EMBEDDING, BY_RINGS):
        assert all(getattr(weighting, name) > 0 for name in sizes)


def test_batches_change_nothing(encoder):
    given = inputs(CPU_BATCH + 3)

    found = extract_features(encoder, given)

    for rows in (slice(0, 2), slice(CPU_BATCH - 1, CPU_BATCH + 1)):
        np.testing.assert_allclose(
            extract_features(encoder, given[rows]), found[rows], atol=1e-5
        )


def test_no_patterns_have_no_features(encoder):
    assert extract_features(encoder, inputs(0)).shape[0] == 0
