import numpy as np
import pytest

pytest.importorskip("finufft")

from specklenn.core.simulation.debris import Debris, background, draw_debris
from specklenn.core.simulation.detector import Detector, Geometry

FLUENCE = 12_732.0
KINDS = ("droplet", "cluster", "streak", "parasitic")


@pytest.fixture(scope="module")
def wide() -> Geometry:
    return Geometry.of(Detector(rows=48, columns=48))


@pytest.fixture(scope="module")
def modules() -> Geometry:
    places = [{"x_m": x, "y_m": y} for x in (-9e-3, 9e-3) for y in (-9e-3, 9e-3)]
    return Geometry.of(Detector(rows=32, columns=32, modules=places))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detector", ["wide", "modules"])
def test_every_kind_gives_photons_that_are_finite_and_not_negative(
    request, detector, kind
):
    geometry = request.getfixturevalue(detector)
    random = np.random.default_rng(0)

    for _ in range(10):
        drawn, photons = draw_debris(random, Debris(kinds=(kind,)), geometry, FLUENCE)
        assert drawn == kind
        assert photons.shape == (len(geometry.q),)
        assert photons.dtype == np.float32
        assert np.isfinite(photons).all()
        assert photons.min() >= 0
        assert photons.sum() > 0


def test_kinds_come_with_equal_chance():
    geometry, random = (
        Geometry.of(Detector(rows=8, columns=8)),
        np.random.default_rng(0),
    )
    settings = Debris(grains=(2, 2))

    drawn = [draw_debris(random, settings, geometry, FLUENCE)[0] for _ in range(800)]

    shares = [drawn.count(kind) / 800 for kind in KINDS]
    np.testing.assert_allclose(shares, 0.25, atol=4.5 * np.sqrt(3 / 16 / 800))


def test_a_droplet_scatters_like_a_ball_of_its_density(wide, ball_amplitude):
    settings = Debris(
        kinds=("droplet",), droplet_radius_angstrom=(90.0, 90.0), density=(1.5, 1.5)
    )

    _, photons = draw_debris(np.random.default_rng(0), settings, wide, FLUENCE)

    electrons = 1.5 * 0.334 * ball_amplitude(wide.lengths, 90.0)
    expected = FLUENCE * wide.cross_sections * electrons**2
    np.testing.assert_allclose(photons, expected, atol=1e-4 * expected.max())


def test_a_droplet_scatters_rings():
    geometry = Geometry.of(Detector(rows=49, columns=49, distance_m=1.0))
    settings = Debris(kinds=("droplet",))

    _, photons = draw_debris(np.random.default_rng(0), settings, geometry, 1e4)

    picture = photons.reshape(49, 49)
    np.testing.assert_allclose(picture, picture.T, rtol=0.01, atol=picture.max() * 1e-4)


def test_forward_a_cluster_scatters_with_all_its_grains():
    far = Geometry.of(Detector(rows=8, columns=8, distance_m=1000.0))
    settings = Debris(
        kinds=("cluster",),
        grain_radius_angstrom=(30.0, 30.0),
        grains=(7, 7),
        density=(1.0, 1.0),
    )

    _, photons = draw_debris(np.random.default_rng(0), settings, far, FLUENCE)

    electrons = 7 * 0.334 * 4 / 3 * np.pi * 30.0**3
    expected = FLUENCE * far.cross_sections * electrons**2
    np.testing.assert_allclose(photons, expected, rtol=1e-3)


def test_the_fluence_scales_droplets_but_not_shapes(wide):
    def total(kind, fluence):
        settings = Debris(kinds=(kind,))
        return draw_debris(np.random.default_rng(5), settings, wide, fluence)[1].sum()

    assert total("droplet", 20.0) == pytest.approx(2 * total("droplet", 10.0))
    assert total("streak", 20.0) == total("streak", 10.0)


@pytest.mark.parametrize("kind", ["streak", "parasitic"])
def test_shapes_without_a_closed_form_have_the_photons_asked_for(wide, kind):
    settings = Debris(kinds=(kind,), photons=(500.0, 500.0))

    _, photons = draw_debris(np.random.default_rng(0), settings, wide, 1.0)

    assert photons.sum() == pytest.approx(500, rel=1e-3)


def test_a_streak_is_a_line_through_the_beam(wide):
    settings = Debris(kinds=("streak",))
    random = np.random.default_rng(0)

    for _ in range(10):
        _, photons = draw_debris(random, settings, wide, 1.0)
        along = np.cov(wide.x, wide.y, aweights=photons)
        small, large = np.linalg.eigvalsh(along)
        assert large > 2 * small
        np.testing.assert_allclose([photons @ wide.x, photons @ wide.y], 0, atol=0.5)


def test_background_is_strongest_in_the_middle_and_has_its_photons(wide):
    photons = background(wide, 20.0).reshape(48, 48)

    assert photons.sum() == pytest.approx(20.0, rel=1e-4)
    middle = [23 * 48 + 23, 23 * 48 + 24, 24 * 48 + 23, 24 * 48 + 24]
    assert photons.argmax() in middle


def test_background_falls_to_half_at_a_fifth_of_the_pictures_width():
    geometry = Geometry.of(Detector(rows=101, columns=101))

    photons = background(geometry, 20.0).reshape(101, 101)

    # 20.2 pixels from the middle: between the 20th and the 21st.
    assert photons[50, 70] > photons[50, 50] / 2 > photons[50, 71]


def test_no_background_is_dark(wide):
    assert (background(wide, 0.0) == 0).all()
