import numpy as np
import pytest

from specklenn.core.survey import symmetry
from specklenn.core.survey.symmetry import correlation_about, find_centre


def turned_correlation(pattern, twice):
    """Pearson's r of the pixels and their mates, one by one."""
    height, width = pattern.shape
    pairs = [
        (pattern[row, column], pattern[twice[0] - row, twice[1] - column])
        for row in range(height)
        for column in range(width)
        if 0 <= twice[0] - row < height and 0 <= twice[1] - column < width
    ]
    good = np.array([pair for pair in pairs if np.isfinite(pair).all()])
    return np.corrcoef(good.T)[0, 1]


@pytest.fixture
def spotty():
    """A random pattern with masked pixels, 9 x 12."""
    random = np.random.default_rng(0)
    pattern = random.poisson(5, (9, 12)).astype(float)
    pattern[random.random(pattern.shape) < 0.2] = np.nan
    return pattern


def test_all_correlations_are_those_of_pixels_and_their_mates(spotty):
    surface = symmetry._correlations(spotty)

    assert surface.shape == (17, 23)
    usable = np.argwhere(np.isfinite(surface)).tolist()
    assert len(usable) > 20
    for row, column in usable:
        expected = turned_correlation(spotty, (row, column))
        assert surface[row, column] == pytest.approx(expected, abs=1e-9)


def test_the_correlation_about_one_point_is_the_same(spotty):
    expected = turned_correlation(np.sqrt(spotty), (8, 11))

    assert correlation_about(spotty, (4.5, 6.0)) == pytest.approx(expected)


@pytest.mark.parametrize("centre", [(50, 55), (56.3, 47.8), (50.5, 50.5), (38, 70.25)])
def test_the_centre_of_particles_is_found_though_much_is_masked(make_spheres, centre):
    pattern = make_spheres(40, centre).sum(axis=0).astype(float)
    pattern[:, 60:63] = np.nan
    pattern[46:54, :50] = np.nan

    found = find_centre(pattern, (50, 55), 20)

    np.testing.assert_allclose(found.position, centre, atol=0.2)
    assert found.correlation > 0.95


def test_a_large_pattern_is_binned_first(make_spheres, monkeypatch):
    monkeypatch.setattr(symmetry, "LARGEST_SIDE", 40)
    pattern = make_spheres(40, (54.0, 50.0)).sum(axis=0).astype(float)

    found = find_centre(pattern, (50, 55), 20)

    np.testing.assert_allclose(found.position, (54, 50), atol=0.3)


@pytest.mark.parametrize("kind", ["flat", "masked", "far", "farther", "one side"])
def test_where_nothing_tells_the_centre_none_is_given(make_spheres, kind):
    x = np.arange(110)
    pattern = {
        "flat": np.ones((100, 110)),
        "masked": np.full((100, 110), np.nan),
        "far": make_spheres(9, (50, 64)).sum(axis=0).astype(float),
        "farther": make_spheres(9, (30, 80)).sum(axis=0).astype(float),
        "one side": np.where(x > 62, make_spheres(9).sum(axis=0), np.nan),
    }[kind]

    assert find_centre(pattern, (50, 55), 6) is None
