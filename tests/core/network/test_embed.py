import numpy as np

from specklenn.core.network.embed import embed
from specklenn.core.network.specklenn2023 import Encoder


def test_embedding_in_batches_is_embedding_at_once(monkeypatch):
    encoder = Encoder(16, 4).eval()
    inputs = np.random.default_rng(0).random((10, 16, 16), np.float32)
    together = embed(encoder, inputs)

    monkeypatch.setattr("specklenn.core.network.embed.EMBED_BATCH", 3)

    np.testing.assert_allclose(embed(encoder, inputs), together, atol=1e-5)
    assert together.shape == (10, 4)
