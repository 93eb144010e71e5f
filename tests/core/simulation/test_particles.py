import numpy as np
import pytest

from specklenn.core.simulation.particles import (
    ANGSTROM3_PER_ATOM,
    SYMMETRIES,
    fill,
    make_body,
    make_particle,
    point_group,
)


@pytest.mark.parametrize(
    ("name", "order"),
    [("C1", 1), ("C7", 7), ("D2", 4), ("D7", 14), ("T", 12), ("O", 24), ("I", 60)],
)
def test_point_groups_have_their_order_and_hold_proper_rotations(name, order):
    members = point_group(name)

    assert len(members) == order
    np.testing.assert_allclose(np.linalg.det(members), 1.0)
    identities = members @ members.transpose(0, 2, 1)
    np.testing.assert_allclose(identities, np.tile(np.eye(3), (order, 1, 1)), atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(SYMMETRIES)))
def test_bodies_keep_their_symmetry(name):
    centres, radii = make_body(np.random.default_rng(3), name)

    for rotation in point_group(name):
        turned = centres @ rotation.T
        distances = np.linalg.norm(turned[:, None] - centres, axis=2)
        assert distances.min(axis=1).max() < 1e-9
    assert len(radii) == len(centres)


def test_the_same_seed_gives_the_same_particle_and_another_index_another():
    first = make_particle(5, 1, (1000, 3000))
    again = make_particle(5, 1, (1000, 3000))
    other = make_particle(5, 2, (1000, 3000))

    np.testing.assert_array_equal(first.positions, again.positions)
    assert first.name == again.name == "procedural-5-1"
    assert len(first.positions) != len(other.positions)
    assert 1000 <= len(first.positions) <= 3000


def test_a_ball_is_filled_at_protein_density():
    number = 20_000
    positions = fill(np.random.default_rng(0), np.zeros((1, 3)), np.ones(1), number)

    radius = (number * ANGSTROM3_PER_ATOM * 3 / (4 * np.pi)) ** (1 / 3)
    gyration = np.sqrt((positions**2).sum(axis=1).mean())

    assert len(positions) == number
    assert gyration == pytest.approx(np.sqrt(3 / 5) * radius, rel=0.02)


def test_mean_atomic_number_is_that_of_protein():
    particle = make_particle(0, 0, (20_000, 20_000))

    assert particle.atomic_numbers.mean() == pytest.approx(6.65, abs=0.05)
