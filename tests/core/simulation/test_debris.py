import numpy as np
import pytest

from specklenn.core.simulation.debris import (
    Debris,
    background,
    draw_debris,
    sphere_amplitude,
)
from specklenn.core.simulation.detector import Detector, Geometry


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry.of(Detector(rows=48, columns=48))


def test_sphere_amplitude_is_the_integral_over_the_ball():
    radius, lengths = 50.0, np.linspace(1e-4, 0.3, 30)
    r = (np.arange(20_000) + 0.5) * radius / 20_000
    shells = 4 * np.pi * r**2 * radius / 20_000
    density = 1 / (4 / 3 * np.pi * radius**3)

    found = sphere_amplitude(lengths, radius, electrons=1.0)

    expected = [density * (shells * np.sinc(q * r / np.pi)).sum() for q in lengths]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sphere_amplitude_in_forward_direction_is_its_electrons():
    assert sphere_amplitude(np.zeros(1), 50.0, 123.0)[0] == 123.0


@pytest.mark.parametrize("kind", ["droplet", "cluster", "streak", "parasitic"])
def test_every_kind_gives_photons_that_are_finite_and_not_negative(geometry, kind):
    random = np.random.default_rng(0)

    for _ in range(10):
        photons = draw_debris(random, Debris(kinds=(kind,)), geometry, 12_732.0)
        assert photons.shape == (48 * 48,)
        assert np.isfinite(photons).all()
        assert photons.min() >= 0
        assert photons.sum() > 0


def test_a_droplet_scatters_rings():
    geometry = Geometry.of(Detector(rows=49, columns=49, distance_m=1.0))

    photons = draw_debris(
        np.random.default_rng(0), Debris(kinds=("droplet",)), geometry, 1e4
    ).reshape(49, 49)

    np.testing.assert_allclose(photons, photons.T, rtol=0.01, atol=photons.max() * 1e-4)


@pytest.mark.parametrize("kind", ["streak", "parasitic"])
def test_shapes_without_a_closed_form_have_the_photons_asked_for(geometry, kind):
    settings = Debris(kinds=(kind,), photons=(500.0, 500.0))

    photons = draw_debris(np.random.default_rng(0), settings, geometry, 1.0)

    assert photons.sum() == pytest.approx(500, rel=1e-3)


def test_background_is_strongest_in_the_middle_and_has_its_photons(geometry):
    photons = background(geometry, 20.0).reshape(48, 48)

    assert photons.sum() == pytest.approx(20.0, rel=1e-4)
    assert photons.argmax() in (23 * 48 + 23, 23 * 48 + 24, 24 * 48 + 23, 24 * 48 + 24)
