import numpy as np
import pytest

from specklenn.core.simulation.samples import ParticleShape
from specklenn.core.simulation.truth import (
    PARTICLE_FIELDS,
    SHAPE_FIELDS,
    Particle,
    fill_row,
    truth_dtype,
)


def particle(number, shape=None):
    return Particle(
        orientation=np.array([0.5, 0.5, -0.5, 0.5]),
        position=np.array([1.0, 2.0, 3.0]) * number,
        fluence=100.0 * number,
        shape=shape or ParticleShape(radius_angstrom=50.0 + number),
    )


@pytest.fixture
def row():
    """A row with rubbish in it, as np.empty may give it."""
    table = np.empty(1, truth_dtype(3))
    table["label"], table["name"], table["debris"] = "l", "n", "rubbish"
    for name in PARTICLE_FIELDS:
        table[name] = 7.0
    return table[0]


def test_there_is_room_for_every_particle():
    table = np.zeros(5, truth_dtype(4))

    assert table["orientation"].shape == (5, 4, 4)
    assert table["position_angstrom"].shape == (5, 4, 3)
    for name in ("fluence", *SHAPE_FIELDS):
        assert table[name].shape == (5, 4)
        assert table[name].dtype == np.float32
    assert set(table.dtype.names) == {
        *("label", "name", "debris", "jitter", "particles"),
        *PARTICLE_FIELDS,
    }


def test_texts_keep_48_characters():
    table = np.zeros(1, truth_dtype(1))

    table["name"] = "v" * 48

    assert table["name"][0] == "v" * 48


def test_a_row_says_where_each_particle_is(row):
    fill_row(row, (particle(1), particle(2)), jitter=1.0, debris="")

    assert row["particles"] == 2
    np.testing.assert_array_equal(row["position_angstrom"][:2], [[1, 2, 3], [2, 4, 6]])
    np.testing.assert_array_equal(row["orientation"][:2], [[0.5, 0.5, -0.5, 0.5]] * 2)
    np.testing.assert_array_equal(row["radius_angstrom"][:2], [51, 52])
    np.testing.assert_array_equal(row["stretch"][:2], [1, 1])


def test_the_fluence_of_a_particle_includes_the_jitter(row):
    fill_row(row, (particle(1), particle(2)), jitter=0.5, debris="")

    assert row["jitter"] == 0.5
    np.testing.assert_array_equal(row["fluence"][:2], [50, 100])


def test_what_is_not_there_is_no_number(row):
    fill_row(row, (particle(1),), jitter=1.0, debris="")

    for name in PARTICLE_FIELDS:
        assert np.isnan(row[name][1:]).all()
        assert name.endswith("_density") or np.isfinite(row[name][0]).all()


def test_a_molecule_has_no_densities_and_a_body_has_them(row):
    body = ParticleShape(
        radius_angstrom=9.0, stretch=1.5, shell_density=0.5, core_density=0.25
    )

    fill_row(row, (particle(1), particle(2, body)), jitter=1.0, debris="")

    np.testing.assert_array_equal(row["shell_density"], [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(row["core_density"], [np.nan, 0.25, np.nan])
    assert row["stretch"][1] == 1.5


def test_debris_is_named_and_has_no_particles(row):
    fill_row(row, (), jitter=1.25, debris="streak")

    assert (row["debris"], row["particles"], row["jitter"]) == ("streak", 0, 1.25)
    assert all(np.isnan(row[name]).all() for name in PARTICLE_FIELDS)


def test_label_and_name_are_left_to_the_caller(row):
    fill_row(row, (particle(1),), jitter=1.0, debris="")

    assert (row["label"], row["name"]) == ("l", "n")
