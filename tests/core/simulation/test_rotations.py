import numpy as np
from scipy.spatial.transform import Rotation

from specklenn.core.simulation.rotations import (
    random_quaternions,
    random_rotations,
    rotation_matrices,
)

NUMBER = 20_000


def test_matrices_are_those_of_scipy():
    quaternions = random_quaternions(np.random.default_rng(0), 100)

    found = rotation_matrices(quaternions)

    # scipy writes the scalar last.
    expected = Rotation.from_quat(np.roll(quaternions, -1, axis=1)).as_matrix()
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_a_quarter_turn_about_the_beam_takes_x_to_y():
    quaternion = np.array([[np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]])

    (found,) = rotation_matrices(quaternion)

    np.testing.assert_allclose(found @ [1, 0, 0], [0, 1, 0], atol=1e-15)


def test_a_quaternion_and_its_negative_are_one_rotation():
    quaternions = random_quaternions(np.random.default_rng(0), 10)

    found = rotation_matrices(-quaternions)

    np.testing.assert_array_equal(found, rotation_matrices(quaternions))


def test_quaternions_have_length_1():
    quaternions = random_quaternions(np.random.default_rng(0), 100)

    assert quaternions.shape == (100, 4)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)


def test_matrices_are_proper_rotations():
    rotations = random_rotations(np.random.default_rng(0), 100)

    products = rotations @ rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.tile(np.eye(3), (100, 1, 1)), atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(rotations), 1)


def test_orientations_prefer_no_direction():
    """Entries have mean 0 and mean square 1/3, with variances 1/3 and 4/45."""
    rotations = random_rotations(np.random.default_rng(0), NUMBER)

    within = 4.5 * np.sqrt(1 / 3 / NUMBER)
    np.testing.assert_allclose(rotations.mean(axis=0), 0, atol=within)
    within = 4.5 * np.sqrt(4 / 45 / NUMBER)
    np.testing.assert_allclose((rotations**2).mean(axis=0), 1 / 3, atol=within)


def test_entries_of_an_orientation_are_not_correlated():
    rotations = random_rotations(np.random.default_rng(1), NUMBER).reshape(-1, 9)

    products = rotations.T @ rotations / NUMBER

    # The variance of a product of two entries is at most 2/15.
    within = 4.5 * np.sqrt(2 / 15 / NUMBER)
    np.testing.assert_allclose(products, np.eye(9) / 3, atol=within)


def test_angles_of_turn_are_spread_as_over_all_rotations():
    """Their density is (1 - cos angle) / pi."""
    rotations = random_rotations(np.random.default_rng(2), NUMBER)

    angles = np.arccos((np.trace(rotations, axis1=1, axis2=2) - 1) / 2)

    limits = np.linspace(0, np.pi, 9)
    shares = np.histogram(angles, limits)[0] / NUMBER
    expected = np.diff(limits - np.sin(limits)) / np.pi
    np.testing.assert_allclose(shares, expected, atol=4.5 * 0.5 / np.sqrt(NUMBER))
