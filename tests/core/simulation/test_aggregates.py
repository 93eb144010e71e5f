import numpy as np
import pytest

from specklenn.core.simulation.aggregates import dispersed, touching


@pytest.mark.parametrize("number", [2, 3, 4, 12])
def test_spheres_touch_and_never_overlap(number):
    radii = np.random.default_rng(number).uniform(20, 60, number)

    centres = touching(np.random.default_rng(0), radii)

    gaps = np.linalg.norm(centres[:, None] - centres, axis=2)
    gaps -= radii[:, None] + radii
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() > -1e-6
    nearest_before = [gaps[i, :i].min() for i in range(1, number)]
    np.testing.assert_allclose(nearest_before, 0, atol=1e-6)


def test_pairs_point_in_every_direction():
    random = np.random.default_rng(1)

    partners = np.array([touching(random, np.ones(2))[1] for _ in range(3000)]) / 2

    np.testing.assert_allclose(partners.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose((partners**2).mean(axis=0), 1 / 3, atol=0.03)


def test_dispersed_particles_fill_the_focus_evenly():
    places = dispersed(np.random.default_rng(0), 20_000, 5000.0)

    radius = np.hypot(places[:, 0], places[:, 1])
    assert radius.max() <= 5000
    assert (radius < 5000 / np.sqrt(2)).mean() == pytest.approx(0.5, abs=0.02)
