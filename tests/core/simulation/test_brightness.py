import numpy as np
import pytest
from scipy.integrate import quad

pytest.importorskip("finufft")

from specklenn.core.simulation.brightness import mean_photons
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.rotations import random_rotations
from specklenn.core.simulation.samples import Body, SolidBody


def body(shape, radii, **settings):
    return Body(name="body", shape=shape, radius_angstrom=radii, **settings)


def brightness(settings, geometry):
    return mean_photons(SolidBody(settings, geometry), geometry)


def photons_of_ball(geometry, amplitude, radius):
    """Photons on the good pixels in closed form, a ball of one electron a volume."""
    field = amplitude(geometry.lengths, radius)
    return (geometry.cross_sections * field**2)[~geometry.bad].sum()


def test_a_ball_has_the_photons_of_the_closed_form(geometry, ball_amplitude):
    ball = body("sphere", (50.0, 50.0), core_density=1.0)

    expected = photons_of_ball(geometry, ball_amplitude, 50.0)
    assert brightness(ball, geometry) == pytest.approx(expected, rel=1e-4)


def test_balls_of_many_sizes_have_the_mean_over_the_sizes(geometry, ball_amplitude):
    balls = body("sphere", (50.0, 60.0), core_density=1.0)

    total, _ = quad(
        lambda radius: photons_of_ball(geometry, ball_amplitude, radius), 50, 60
    )
    assert brightness(balls, geometry) == pytest.approx(total / 10, rel=2e-3)


@pytest.mark.parametrize("shape", ["sphere", "icosahedron"])
def test_a_stretched_body_has_the_mean_of_many_particles_in_many_orientations(
    geometry, shape
):
    stretched = body(shape, (50.0, 60.0), stretch=(0.7, 1.05), density_spread=0.0)
    sample, random = SolidBody(stretched, geometry), np.random.default_rng(0)

    totals = [
        (geometry.cross_sections * abs(field) ** 2)[~geometry.bad].sum()
        for field in (
            sample.field(turn, sample.draw_shape(random))
            for turn in random_rotations(random, 800)
        )
    ]

    # A spread of 30 % leaves 1 % in the mean of 800.
    assert brightness(stretched, geometry) == pytest.approx(np.mean(totals), rel=0.04)


def test_photons_on_bad_pixels_do_not_count():
    ball = body("sphere", (50.0, 50.0))
    open_, stopped = (
        Geometry.of(
            Detector(
                rows=32,
                columns=32,
                pixel_size_m=2.4e-3,
                gap_columns=0,
                beam_stop_rows=rows,
                beam_stop_columns=rows,
            )
        )
        for rows in (0, 8)
    )

    assert brightness(ball, stopped) < 0.3 * brightness(ball, open_)


def test_without_a_good_pixel_there_are_no_photons():
    blind = Geometry.of(
        Detector(rows=8, columns=8, beam_stop_rows=8, beam_stop_columns=8)
    )

    assert brightness(body("sphere", (50.0, 50.0)), blind) == 0
