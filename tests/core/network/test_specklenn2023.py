import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from specklenn.core.network.specklenn2023 import Encoder, store_channels_last


def by_hand(encoder, picture):
    """The paper's network from its weights, with SciPy and NumPy only."""
    state = {k: v.numpy().astype(float) for k, v in encoder.state_dict().items()}
    maps = [picture]
    for layer in ("1", "2"):
        weight = state[f"convolution_{layer}.weight"]
        outputs = []
        for channel, kernels in enumerate(weight):
            total = sum(
                correlate2d(m, k, mode="valid")
                for m, k in zip(maps, kernels, strict=True)
            )
            total = np.maximum(total + state[f"convolution_{layer}.bias"][channel], 0)
            mean, variance, scale, shift = (
                state[f"normalisation_{layer}.{name}"][channel]
                for name in ("running_mean", "running_var", "weight", "bias")
            )
            total = (total - mean) / np.sqrt(variance + 1e-5) * scale + shift
            half = total.shape[0] // 2
            blocks = total[: 2 * half, : 2 * half].reshape(half, 2, half, 2)
            outputs.append(blocks.max(axis=(1, 3)))
        maps = outputs
    hidden = state["hidden.weight"] @ np.ravel(maps) + state["hidden.bias"]
    vector = state["embedding.weight"] @ np.maximum(hidden, 0)
    vector += state["embedding.bias"]
    return vector / np.linalg.norm(vector)


def test_the_network_equals_the_papers_layers_computed_by_hand():
    torch.manual_seed(0)
    encoder = Encoder(24).eval()
    encoder.normalisation_1.running_mean.uniform_(-1, 1)
    encoder.normalisation_2.running_var.uniform_(0.5, 2)
    picture = np.random.default_rng(0).normal(size=(24, 24))

    with torch.inference_mode():
        found = encoder(torch.tensor(picture[None, None], dtype=torch.float32))

    np.testing.assert_allclose(found[0], by_hand(encoder, picture), atol=1e-4)


def test_embeddings_have_unit_length():
    vectors = Encoder(48)(torch.randn(5, 1, 48, 48))

    assert vectors.shape == (5, 128)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("side", [48, 96])
def test_the_parameters_are_those_of_the_layers(side):
    quarter = ((side - 4) // 2 - 4) // 2
    expected = (
        (25 + 1) * 32
        + 2 * 32
        + (25 * 32 + 1) * 64
        + 2 * 64
        + (64 * quarter**2 + 1) * 512
        + (512 + 1) * 128
    )

    assert sum(p.numel() for p in Encoder(side).parameters()) == expected


def test_weights_start_as_a_gaussian_of_the_papers_width():
    weight = Encoder(48).hidden.weight.detach()

    assert abs(float(weight.mean())) < 1e-3
    assert abs(float(weight.std()) - 0.2) < 1e-3


def test_an_input_too_small_for_the_convolutions_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        Encoder(15)


def test_filters_that_lie_as_wanted_are_not_copied_again():
    encoder = Encoder(48)
    store_channels_last(encoder)
    before = [parameter.data_ptr() for parameter in encoder.parameters()]

    store_channels_last(encoder)

    assert [parameter.data_ptr() for parameter in encoder.parameters()] == before
    assert encoder.convolution_2.weight.stride() == (5 * 5 * 32, 1, 5 * 32, 32)
