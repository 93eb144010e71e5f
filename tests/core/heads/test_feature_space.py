import numpy as np
import pytest

from specklenn.core.heads.feature_space import (
    BY_EMBEDDING,
    BY_RINGS,
    LEAST_SPREAD,
    OUTLIERS,
    FeatureSpace,
    Weighting,
)
from specklenn.core.heads.head import FeatureBlock, FeatureLayout

LAYOUT = FeatureLayout(
    embedding_size=4,
    blocks=(
        FeatureBlock(name="last_layer", size=3),
        FeatureBlock(name="fano", size=2),
    ),
)
WEIGHTING = Weighting(embedding=1.5, last_layer=0.5, fano=2.0)
BLOCKS = {"last_layer": (slice(4, 7), 0.5), "fano": (slice(7, 9), 2.0)}


def patterns(number, seed=0):
    random = np.random.default_rng(seed)
    units = random.normal(1.0, 10 ** np.linspace(-1, 1, 9), (number, 9))
    return units.astype(np.float32)


def test_every_block_has_its_share_of_squared_distances():
    """The mean squared distance of two patterns is twice the variance."""
    reference = patterns(5000)
    space = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)

    found = space(reference)

    variance = found.var(axis=0)
    assert variance[:4].sum() == pytest.approx(1.5)
    for columns, weight in BLOCKS.values():
        assert variance[columns].sum() == pytest.approx(weight, rel=0.02)


def test_within_a_block_columns_count_alike_and_within_the_embedding_as_they_are():
    reference = patterns(5000)

    found = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)(reference).std(axis=0)

    spread = reference.std(axis=0)
    np.testing.assert_allclose(found[:4] / spread[:4], found[0] / spread[0], rtol=1e-6)
    np.testing.assert_allclose(found[7:9], found[7], rtol=0.02)


def test_the_reference_lies_about_zero():
    reference = patterns(5000)

    found = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)(reference)

    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.02)


def test_an_outlier_of_a_block_is_clipped_and_one_of_the_embedding_is_not():
    reference = patterns(500)
    space = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)
    far = np.full((1, 9), 1e6, np.float32)

    found = space(far)[0]

    for columns, weight in BLOCKS.values():
        own = found[columns]
        np.testing.assert_allclose(own, OUTLIERS * np.sqrt(weight / len(own)))
    assert (found[:4] > 1e3).all()
    np.testing.assert_array_equal(space(-far)[0, 4:], -found[4:])


def test_a_column_that_hardly_varies_is_not_blown_up():
    """By as much as one that varies by the least share of its block's mean spread."""
    reference = patterns(500)
    reference[:, 4] = 1 + 1e-6 * reference[:, 5]
    spread = reference.std(axis=0, dtype=np.float64)[4:7]

    scales = FeatureSpace.fit(reference, LAYOUT, WEIGHTING).scales[4:7]

    least = LEAST_SPREAD * spread.mean()
    np.testing.assert_allclose(
        scales, np.sqrt(0.5 / 3) / np.maximum(spread, least), rtol=1e-6
    )


def test_units_of_a_block_do_not_matter():
    reference, queries = patterns(50), patterns(7, seed=1)
    scaled = np.ones(9, np.float32)
    scaled[7:9] = 1024

    found = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)(queries)
    of_scaled = FeatureSpace.fit(reference * scaled, LAYOUT, WEIGHTING)(
        queries * scaled
    )

    np.testing.assert_allclose(of_scaled, found, rtol=1e-5)


def test_what_does_not_vary_says_nothing():
    reference = patterns(50)
    reference[:, 7:9] = 3.0

    found = FeatureSpace.fit(reference, LAYOUT, WEIGHTING)(patterns(7, seed=1))

    assert (found[:, 7:9] == 0).all()
    assert np.abs(found[:, :7]).min() > 0


def test_of_one_pattern_nothing_is_known_and_all_are_alike():
    found = FeatureSpace.fit(patterns(1), LAYOUT, WEIGHTING)(patterns(7, seed=1))

    assert (found == 0).all()


def test_one_weighting_hears_the_embedding_and_the_other_the_rings():
    reference = patterns(5000)

    shares = []
    for weighting in (BY_EMBEDDING, BY_RINGS):
        variance = FeatureSpace.fit(reference, LAYOUT, weighting)(reference).var(axis=0)
        shares.append((variance[:4].sum(), variance[7:9].sum()))

    (embedding, rings), (embedding_of_rings, rings_of_rings) = shares
    assert embedding > 3 * rings
    assert rings_of_rings > 3 * embedding_of_rings
