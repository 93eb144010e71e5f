import numpy as np
import pytest
from scipy.spatial import ConvexHull

pytest.importorskip("finufft")

from specklenn.core.simulation.particles import point_group
from specklenn.core.simulation.solids import (
    ICOSAHEDRON_INRADIUS,
    Icosahedron,
    Sphere,
    half_icosahedron,
    icosahedron_faces,
    sphere_amplitude,
)

REACH = 30.0
EDGE = 1 / np.sin(2 * np.pi / 5)
VOLUME = 5 / 12 * (3 + np.sqrt(5)) * EDGE**3

# The kernel of the grid is set to 1e-5 of the largest amplitude, the volume.
CLOSE = 5e-5 * VOLUME


@pytest.fixture(scope="module")
def icosahedron():
    return Icosahedron(REACH)


@pytest.fixture(scope="module")
def q():
    directions = np.random.default_rng(0).normal(size=(3, 400))
    directions /= np.linalg.norm(directions, axis=0)
    return directions * np.linspace(0.5, REACH, 400)


def radial_integral(lengths, radius):
    """Shells of a ball, each seen as sin(q r) / (q r)."""
    r = (np.arange(20_000) + 0.5) * radius / 20_000
    shells = 4 * np.pi * r**2 * radius / 20_000
    return np.array([(shells * np.sinc(q * r / np.pi)).sum() for q in lengths])


def test_sphere_amplitude_is_the_integral_over_the_ball():
    lengths = np.linspace(1e-4, 0.3, 40)

    found = sphere_amplitude(lengths, 50.0, electrons=1.0)

    volume = 4 / 3 * np.pi * 50**3
    np.testing.assert_allclose(
        found, radial_integral(lengths, 50.0) / volume, atol=1e-7
    )


def test_sphere_amplitude_is_smooth_where_series_and_closed_form_meet():
    x = 0.05 + np.linspace(-1e-3, 1e-3, 20)

    found = sphere_amplitude(x, 1.0, 1.0)

    np.testing.assert_allclose(found, 1 - x**2 / 10 + x**4 / 280, rtol=1e-11)


def test_sphere_amplitude_in_forward_direction_is_its_electrons():
    assert sphere_amplitude(np.zeros(1), 50.0, 123.0)[0] == 123.0


def test_the_unit_sphere_has_unit_density(q):
    np.testing.assert_allclose(
        Sphere().at(q), radial_integral(np.linalg.norm(q, axis=0), 1.0), atol=1e-5
    )


def test_the_icosahedron_is_the_polyhedron_in_closed_form(
    icosahedron, q, icosahedron_vertices, polyhedron_amplitude
):
    found = icosahedron.at(q)

    expected = polyhedron_amplitude(icosahedron_vertices, q)
    np.testing.assert_allclose(expected.imag, 0, atol=1e-9)
    np.testing.assert_allclose(found, expected.real, atol=CLOSE)


def test_the_icosahedron_is_as_good_far_out(icosahedron_vertices, polyhedron_amplitude):
    far = np.random.default_rng(0).normal(size=(3, 300))
    far *= 60.0 / np.linalg.norm(far, axis=0)

    found = Icosahedron(60.0).at(far)

    expected = polyhedron_amplitude(icosahedron_vertices, far).real
    np.testing.assert_allclose(found, expected, atol=CLOSE)


def test_forward_amplitude_of_the_icosahedron_is_its_volume(icosahedron):
    found = icosahedron.at(np.zeros((3, 1)))

    assert VOLUME == pytest.approx(2.53615, abs=1e-5)
    assert found[0] == pytest.approx(VOLUME, rel=5e-5)


def test_the_icosahedron_looks_the_same_after_each_of_its_60_turns(icosahedron, q):
    found = icosahedron.at(q)

    turned = [icosahedron.at(rotation @ q) for rotation in point_group("I")]

    np.testing.assert_allclose(turned, np.tile(found, (60, 1)), atol=CLOSE)


def test_a_fourfold_turn_is_none_of_them(icosahedron, q):
    turned = icosahedron.at(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ q)

    assert np.abs(turned - icosahedron.at(q)).max() > 100 * CLOSE


def test_a_centrosymmetric_solid_has_a_real_and_even_amplitude(icosahedron, q):
    found = icosahedron.at(q)

    assert found.dtype == np.float32
    np.testing.assert_allclose(icosahedron.at(-q), found, atol=CLOSE)


def test_faces_lie_at_the_inradius_and_look_outwards():
    faces = icosahedron_faces()

    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    distances = (normals * faces[:, 0]).sum(axis=1)
    assert faces.shape == (20, 3, 3)
    np.testing.assert_allclose(distances, ICOSAHEDRON_INRADIUS)
    # The known ratio of inradius to edge.
    assert pytest.approx((3 + np.sqrt(5)) / (4 * np.sqrt(3)) * EDGE) == distances[0]


def test_faces_close_the_icosahedron(icosahedron_vertices):
    faces = icosahedron_faces()

    assert len(np.unique(faces.reshape(-1, 3).round(9), axis=0)) == 12
    assert ConvexHull(faces.reshape(-1, 3)).volume == pytest.approx(VOLUME)
    assert ConvexHull(icosahedron_vertices).volume == pytest.approx(VOLUME)


def test_points_and_their_mirror_images_integrate_over_the_icosahedron():
    points, volumes = half_icosahedron(10.0)

    moments = volumes @ points**2

    assert 2 * volumes.sum() == pytest.approx(VOLUME)
    # By symmetry the same along each axis.
    np.testing.assert_allclose(moments, moments.mean())
