import numpy as np
import pytest

from specklenn.gui.common.image import LARGEST_SIDE, MASKED, palette_indices


def _speckles() -> np.ndarray:
    return np.random.default_rng(0).poisson(5, (96, 96)).astype(np.float32)


def test_scale_is_logarithmic_between_lowest_and_top_quantile():
    pattern = _speckles()

    indices = palette_indices(pattern)

    top = np.percentile(np.log1p(pattern), 99.5)
    low = np.log1p(pattern).min()
    expected = 254 * np.clip((np.log1p(pattern) - low) / (top - low), 0, 1)
    np.testing.assert_allclose(indices, expected, atol=0.51)


def test_one_hot_pixel_does_not_blacken_the_others():
    pattern = _speckles()
    hot = pattern.copy()
    hot[3, 4] = 1e9

    change = palette_indices(hot).astype(int) - palette_indices(pattern)

    change[3, 4] = 0
    assert np.abs(change).max() <= 3


def test_masked_pixels_have_their_own_index_and_no_say_in_the_scale():
    pattern = _speckles()
    masked = pattern.copy()
    masked[:10] = np.nan

    indices = palette_indices(masked)

    assert (indices[:10] == MASKED).all()
    assert (indices[10:] == palette_indices(pattern[10:])).all()


@pytest.mark.parametrize(
    "pattern",
    [
        np.zeros((8, 8)),
        np.full((8, 8), np.nan),
        np.full((8, 8), np.inf),
        np.full((8, 8), 7.0),
        np.full((8, 8), -3.0),
        np.full((1, 1), 5.0),
        np.full((1, 1), np.nan),
        np.zeros((0, 0)),
        np.zeros((3, 0)),
        np.full((8, 8), 3e38),
    ],
    ids=str,
)
def test_any_pattern_gives_a_picture_of_its_shape(pattern):
    indices = palette_indices(pattern.astype(np.float32))

    assert indices.shape == pattern.shape
    assert indices.dtype == np.uint8


def test_a_single_photon_on_nothing_is_seen():
    pattern = np.zeros((96, 96), np.float32)
    pattern[40, 50] = 1

    assert palette_indices(pattern)[40, 50] == 254


def test_huge_patterns_are_thinned():
    assert max(palette_indices(np.zeros((1025, 3000))).shape) <= LARGEST_SIDE
