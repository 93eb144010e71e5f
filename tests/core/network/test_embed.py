import numpy as np
import pytest

from specklenn.core.network import embed as module
from specklenn.core.network.embed import embed
from specklenn.core.network.specklenn2023 import Encoder


@pytest.fixture
def encoder():
    return Encoder(16, 4).eval()


def test_embedding_in_batches_is_embedding_at_once(encoder, monkeypatch):
    inputs = np.random.default_rng(0).random((10, 16, 16), np.float32)
    together = embed(encoder, inputs)

    monkeypatch.setattr(module, "CPU_BATCH", 3)

    np.testing.assert_allclose(embed(encoder, inputs), together, atol=1e-5)
    assert together.shape == (10, 4)


def test_no_patterns_give_no_vectors(encoder):
    assert embed(encoder, np.zeros((0, 16, 16), np.float32)).shape == (0, 4)
