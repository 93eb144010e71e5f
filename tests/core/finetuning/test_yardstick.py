"""The yardstick: a kernel machine on the means and deviations of rings."""

import numpy as np
import pytest

from specklenn.core.finetuning.yardstick import RINGS, fit_yardstick, ring_features


@pytest.fixture
def discs():
    """Roots of photons of narrow and of wide discs, 40 of each, and their classes."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((48, 48)) - 23.5
    codes = np.repeat([0, 1], 40)
    width = random.normal(np.where(codes == 0, 100, 140), 20)[:, None, None]
    expected = 4 * np.exp(-(rows**2 + columns**2) / width)
    return np.sqrt(random.poisson(expected)).astype(np.float32), codes


def test_a_ring_has_the_mean_and_the_deviation_of_its_good_pixels(discs):
    roots, _ = discs
    roots[:, 30:, 20:] = np.nan
    rows, columns = np.indices((48, 48))
    radius = np.hypot(rows - 23.5, columns - 23.5)

    found = ring_features(roots)

    assert found.shape == (80, 2 * RINGS)
    inside = (radius >= 5 * 24 / RINGS) & (radius < 6 * 24 / RINGS)
    values = roots[:, inside & ~np.isnan(roots[0])]
    np.testing.assert_allclose(found[:, 5], values.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found[:, RINGS + 5], values.std(axis=1), rtol=1e-4)


def test_rings_without_a_good_pixel_are_zero():
    roots = np.ones((2, 16, 16), np.float32)  # rings thinner than pixels
    roots[1] = np.nan

    found = ring_features(roots)

    assert np.isfinite(found).all()
    assert (found[1] == 0).all()


def test_turned_patterns_have_the_same_features(discs):
    roots, _ = discs

    turned = ring_features(np.rot90(roots, axes=(1, 2)))

    np.testing.assert_allclose(turned, ring_features(roots), rtol=1e-6)


def test_it_is_about_as_good_as_a_support_vector_machine(discs):
    svm = pytest.importorskip("sklearn.svm")
    roots, codes = discs
    train = np.r_[0:20, 40:60]
    others = np.setdiff1d(np.arange(80), train)

    scores = fit_yardstick(roots, codes)(train)(others).scores
    found = scores.argmax(axis=1)

    features = ring_features(roots)
    middle, spread = features[train].mean(axis=0), features[train].std(axis=0)
    vectors = (features - middle) / np.where(spread > 0, spread, 1)
    oracle = svm.SVC().fit(vectors[train], codes[train]).predict(vectors[others])
    assert (found == oracle).mean() > 0.85
    assert (found == codes[others]).mean() > (oracle == codes[others]).mean() - 0.06
    assert (found == codes[others]).mean() > 0.7
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
