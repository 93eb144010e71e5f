"""Statistics of rings against loops over pixels."""

import math

import numpy as np
import pytest

from specklenn.core.network.ring_statistics import (
    PHOTON_OFFSET,
    RING_WIDTH,
    RINGS,
    ROOT_OFFSET,
    ring_statistics,
)

SIDE = 48


def pictures(number, seed=0, side=SIDE):
    """Square roots of photons, some pixels bad."""
    random = np.random.default_rng(seed)
    roots = np.sqrt(random.poisson(1.5, (number, side, side))).astype(np.float32)
    roots[random.random(roots.shape) < 0.1] = np.nan
    return roots


def pixels_of(picture, ring):
    """Good pixels of a ring, one by one."""
    side = len(picture)
    found = []
    for row in range(side):
        for column in range(side):
            radius = math.hypot(row - (side - 1) / 2, column - (side - 1) / 2)
            inside = RING_WIDTH * ring <= radius < RING_WIDTH * (ring + 1)
            if inside and not math.isnan(picture[row, column]):
                found.append(float(picture[row, column]))
    return np.array(found)


@pytest.mark.parametrize("side", [48, 33])
def test_every_ring_has_the_statistics_that_a_loop_over_its_pixels_finds(side):
    picture = pictures(1, side=side)[0]
    fano, profile, contrast = [], [], []
    for ring in range(RINGS):
        roots = pixels_of(picture, ring) if RING_WIDTH * ring < side else np.zeros(1)
        photons = roots**2
        brightness = photons.mean() + PHOTON_OFFSET if len(roots) else PHOTON_OFFSET
        fano.append(math.log((photons.var() + PHOTON_OFFSET) / brightness))
        profile.append(math.log(brightness))
        contrast.append(roots.std() / (roots.mean() + ROOT_OFFSET))

    found = ring_statistics(picture[None])[0]

    np.testing.assert_allclose(found, fano + profile + contrast, atol=2e-4)


def test_bad_pixels_do_not_count_whatever_is_under_them():
    """A picture whose good pixels are all alike has no variance at all."""
    bad = np.random.default_rng(0).random((1, SIDE, SIDE)) < 0.3
    roots = np.where(bad, np.nan, np.float32(2.0))

    fano, profile, contrast = np.split(ring_statistics(roots)[0], 3)

    np.testing.assert_allclose(profile, np.log(4 + PHOTON_OFFSET), rtol=1e-5)
    np.testing.assert_allclose(fano, np.log(0.01 / 4.01), atol=1e-3)
    np.testing.assert_allclose(contrast, 0, atol=2e-3)


def test_a_ring_of_bad_pixels_alone_counts_as_empty():
    roots = pictures(1)
    rows, columns = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    ring = (np.hypot(rows, columns) / RING_WIDTH).astype(int)
    empty, bad = roots.copy(), roots.copy()
    empty[0, ring == 3] = 0.0
    bad[0, ring == 3] = np.nan

    np.testing.assert_array_equal(ring_statistics(bad), ring_statistics(empty))
    assert np.isfinite(ring_statistics(np.full_like(roots, np.nan))).all()


def test_a_pattern_turned_by_a_quarter_has_the_same_statistics():
    roots = pictures(2)

    np.testing.assert_allclose(
        ring_statistics(np.rot90(roots, axes=(1, 2))), ring_statistics(roots), atol=1e-5
    )


def test_poisson_light_has_a_fano_factor_of_one_and_speckles_have_more():
    random = np.random.default_rng(0)
    smooth = random.poisson(4.0, (40, SIDE, SIDE))
    speckles = random.poisson(random.exponential(4.0, (40, SIDE, SIDE)))

    fano = [
        np.exp(ring_statistics(np.sqrt(one).astype(np.float32))[:, :RINGS]).mean(0)
        for one in (smooth, speckles)
    ]

    np.testing.assert_allclose(fano[0][2:], 1.0, atol=0.1)
    np.testing.assert_allclose(fano[1][2:], 5.0, atol=0.7)  # 1 + mean


def test_patterns_do_not_depend_on_their_neighbours_and_there_may_be_none():
    roots = pictures(5)

    one_by_one = np.concatenate([ring_statistics(one[None]) for one in roots])

    np.testing.assert_allclose(ring_statistics(roots), one_by_one, atol=1e-5)
    assert ring_statistics(roots[:0]).shape == (0, 3 * RINGS)
