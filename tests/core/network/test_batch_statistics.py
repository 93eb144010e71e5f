import numpy as np
import pytest
import torch
from torch import nn

from specklenn.core.network.batch_statistics import follow_statistics
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.features import extract_features
from specklenn.core.network.specklenn2023 import Encoder


@pytest.fixture(params=[Encoder, CompactEncoder])
def encoder(request):
    torch.manual_seed(0)
    return request.param(48).eval()


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return random.normal(2.0, 3.0, (40, 48, 48)).astype(np.float32)


def test_at_full_share_the_network_does_as_if_its_batch_was_the_run(encoder, inputs):
    followed = follow_statistics(encoder, inputs, share=1.0)

    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.train()
    with torch.no_grad():
        expected = encoder(torch.from_numpy(inputs[:, None])).numpy()
    found = extract_features(followed, inputs)[:, : encoder.embedding_size]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_a_share_nothing_changes(encoder, inputs):
    followed = follow_statistics(encoder, inputs, share=0.0)

    np.testing.assert_array_equal(
        extract_features(followed, inputs), extract_features(encoder, inputs)
    )


def test_the_network_itself_stays_as_it_is(encoder, inputs):
    before = extract_features(encoder, inputs)

    followed = follow_statistics(encoder, inputs)

    np.testing.assert_array_equal(extract_features(encoder, inputs), before)
    assert np.abs(extract_features(followed, inputs) - before).max() > 1e-4
