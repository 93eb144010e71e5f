import sys

import numpy as np
import pytest

pytest.importorskip("finufft")

from specklenn.core.errors import MissingPackageError
from specklenn.core.simulation.grid import (
    ReciprocalGrid,
    grid_of_points,
    grid_points,
    kernel_transform,
)

RADIUS, REACH = 50.0, 0.4

# The kernel, set to 1e-5, errs by about that much of the largest amplitude.
CLOSE = 5e-5


@pytest.fixture(scope="module")
def points():
    random = np.random.default_rng(0)
    places = random.normal(size=(200, 3))
    return places * RADIUS / np.linalg.norm(places, axis=1).max()


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(1).uniform(5, 9, (1, 200))


@pytest.fixture(scope="module")
def grid(points, weights):
    return grid_of_points(points, weights, RADIUS, REACH)


@pytest.fixture(scope="module")
def q():
    """The whole cube up to the reach, its faces included."""
    drawn = np.random.default_rng(2).uniform(-REACH, REACH, (3, 3000))
    drawn[0, :100], drawn[1, 100:200], drawn[2, 200:300] = REACH, -REACH, REACH
    return drawn


def test_between_its_points_the_grid_has_the_sum_over_points(points, weights, grid, q):
    found = grid.at(q)

    expected = weights[0] @ np.exp(1j * points @ q)
    assert found.shape == (3000,)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected, atol=CLOSE * weights.sum())


def test_at_q_of_zero_the_weights_add_up(weights, grid):
    assert grid.at(np.zeros((3, 1)))[0] == pytest.approx(weights.sum(), rel=CLOSE)


def test_every_set_of_weights_has_its_own_curve_over_q(points, q):
    """Curves as wide in space as an atom: that small against the particle."""
    two = np.array([np.linspace(5, 9, 200), np.linspace(3, 1, 200)])
    widths = np.array([[0.05], [0.3]])

    def falls(lengths):
        return np.exp(-widths * lengths**2).astype(np.float32)

    found = grid_of_points(points, two, RADIUS, REACH, falls).at(q)

    curves = np.exp(-widths * (q**2).sum(axis=0))
    expected = (curves * (two @ np.exp(1j * points @ q))).sum(axis=0)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 1e-3


def test_a_single_point_scatters_alike_in_every_direction(q):
    found = grid_of_points(np.zeros((1, 3)), np.array([[6.0]]), 1.0, REACH).at(q)

    np.testing.assert_allclose(found, 6, rtol=CLOSE)


def test_a_point_has_the_same_amplitude_whichever_others_are_asked_for(grid, q):
    together = grid.at(q)

    alone = np.concatenate([grid.at(q[:, [number]]) for number in range(0, 3000, 100)])
    np.testing.assert_array_equal(alone, together[::100])
    np.testing.assert_array_equal(grid.at(q[:, ::-1]), together[::-1])
    np.testing.assert_array_equal(grid.at(q[:, 17:1018]), together[17:1018])


def test_no_points_have_no_amplitudes(grid):
    assert grid.at(np.zeros((3, 0))).shape == (0,)


@pytest.mark.parametrize("axis", range(3))
def test_asking_beyond_the_reach_is_refused(grid, axis):
    beyond = np.zeros((3, 5))
    beyond[axis, 2] = -1.01 * REACH

    with pytest.raises(ValueError, match=r"0\.4040 .* grid that reaches 0\.4000"):
        grid.at(beyond)


@pytest.mark.parametrize(("radius", "reach"), [(1.0, 0.1), (50.0, 0.4), (415.0, 0.3)])
def test_a_grid_holds_the_kernel_around_its_reach(radius, reach):
    number = grid_points(radius, reach)

    assert number % 2 == 0
    assert number / 2 * np.pi / (2 * radius) >= reach + 3 * np.pi / (2 * radius)
    assert number >= 12


def test_the_kernel_weakens_a_wave_by_its_transform():
    number, angle = 32, 0.9
    steps = np.arange(number) - number // 2
    wave = np.exp(1j * angle * steps[:, None, None]) * np.ones((number,) * 3)
    grid = ReciprocalGrid(values=wave.astype(np.complex64), spacing=1.0, reach=10.0)
    z = np.linspace(-9, 9, 50)

    found = grid.at(np.stack((0 * z, 0 * z, z)))

    weak, flat = kernel_transform(np.array([angle, 0.0]))
    np.testing.assert_allclose(
        found, weak * flat**2 * np.exp(1j * angle * z), atol=CLOSE * flat**3
    )


def test_without_finufft_the_message_says_how_to_install_it(grid, monkeypatch):
    monkeypatch.setitem(sys.modules, "finufft", None)

    with pytest.raises(MissingPackageError, match=r"specklenn\[simulate\]"):
        grid.at(np.zeros((3, 1)))
