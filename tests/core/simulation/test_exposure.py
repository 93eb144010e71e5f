import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.labels import MULTI_HIT, NO_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.exposure import draw_particles, expose, photons_of
from specklenn.core.simulation.samples import Body, Molecule, ParticleShape, SolidBody
from specklenn.core.simulation.truth import Particle

BODY = Body(name="virus", shape="sphere", radius_angstrom=(60.0, 90.0))
NOT_TURNED = np.array([1.0, 0.0, 0.0, 0.0])
GAUSSIAN = {"profile": "gaussian", "focus_fwhm_m": 0.2e-6}


def experiment(**settings):
    return Experiment.model_validate({"bodies": [BODY], **settings})


@pytest.fixture(scope="module")
def virus(geometry):
    return SolidBody(BODY, geometry)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def particle_at(*position, fluence=100.0):
    return Particle(
        orientation=NOT_TURNED,
        position=np.array(position, float),
        fluence=fluence,
        shape=ParticleShape(
            radius_angstrom=70.0, shell_density=0.43, core_density=0.43
        ),
    )


def distances(particles):
    places = np.array([particle.position for particle in particles])
    return np.linalg.norm(places[:, None] - places, axis=2)


def test_a_no_hit_is_dark(random, geometry, virus):
    shot = expose(random, experiment(), geometry, NO_HIT, virus)

    np.testing.assert_array_equal(shot.expected, np.zeros(1024, np.float32))
    assert (shot.name, shot.particles, shot.debris) == ("virus", (), "")


def test_a_single_hit_shows_one_particle(random, geometry, virus):
    shot = expose(random, experiment(), geometry, SINGLE_HIT, virus)

    assert shot.expected.shape == (1024,)
    assert shot.expected.dtype == np.float32
    assert len(shot.particles) == 1
    assert (shot.expected > 0).any()


def test_a_non_sample_hit_says_what_it_is(random, geometry, virus):
    settings = experiment(debris={"kinds": ["streak"], "photons": (300, 300)})

    shot = expose(random, settings, geometry, NON_SAMPLE_HIT, virus)

    assert (shot.debris, shot.particles) == ("streak", ())
    assert shot.expected.sum() == pytest.approx(300, rel=1e-3)


def test_multi_hits_have_the_numbers_of_particles_asked_for(random, geometry, virus):
    settings = experiment(hits=(2, 5))

    shots = [expose(random, settings, geometry, MULTI_HIT, virus) for _ in range(400)]

    numbers = np.array([len(shot.particles) for shot in shots])
    assert set(numbers) == {2, 5}
    assert (numbers == 5).mean() == pytest.approx(0.5, abs=4.5 * 0.5 / 20)


def test_forward_photons_are_thomsons_for_all_electrons(random, make_ball):
    """I(0) = fluence r_e^2 dOmega (sum Z)^2."""
    far = Geometry.of(Detector(rows=8, columns=8, distance_m=100.0))
    structure = make_ball(300, 20.0)

    shot = expose(random, experiment(), far, SINGLE_HIT, Molecule(structure, far))

    electrons = structure.atomic_numbers.sum(dtype=int)
    fluence = 1e12 / (np.pi * 5000.0**2)
    solid_angle = (450e-6 / 100.0) ** 2
    expected = fluence * 2.8179403e-5**2 * solid_angle * electrons**2
    np.testing.assert_allclose(shot.expected, expected, rtol=1e-3)


def test_photons_grow_in_proportion_to_the_fluence(geometry, virus):
    weak, strong = (
        expose(
            np.random.default_rng(3),
            experiment(fluence=fluence),
            geometry,
            MULTI_HIT,
            virus,
        ).expected
        for fluence in (1.0, 7.0)
    )

    np.testing.assert_allclose(strong, 7 * weak, rtol=1e-4)


def test_pairs_touch(random, geometry, virus):
    for _ in range(20):
        one, other = draw_particles(random, experiment(), virus, 2)
        touching = one.shape.radius_angstrom + other.shape.radius_angstrom
        apart = np.linalg.norm(one.position - other.position)
        assert apart == pytest.approx(touching)


def test_stretched_bodies_touch_at_their_longest(random, geometry):
    long = Body(name="rod", radius_angstrom=(60.0, 60.0), stretch=(1.5, 1.5))

    pair = draw_particles(random, experiment(), SolidBody(long, geometry), 2)

    assert distances(pair)[0, 1] == pytest.approx(180.0)


def test_every_particle_of_an_aggregate_touches_another(random, geometry, virus):
    particles = draw_particles(random, experiment(), virus, 4)

    radii = np.array([particle.shape.radius_angstrom for particle in particles])
    gaps = distances(particles) - radii[:, None] - radii + 1e6 * np.eye(4)
    assert gaps.min() > -1e-6
    np.testing.assert_allclose(gaps.min(axis=1), 0, atol=1e-6)


def test_dispersed_particles_are_anywhere_in_the_focus(random, geometry, virus):
    settings = experiment(placement="dispersed")

    drawn = [draw_particles(random, settings, virus, 3) for _ in range(300)]

    places = np.array([particle.position for shot in drawn for particle in shot])
    across = np.hypot(places[:, 0], places[:, 1])
    assert 4900 < across.max() <= 5000
    assert 4900 < abs(places[:, 2]).max() <= 5000
    # Half of the area lies within 0.71 of the radius.
    inside = (across < 5000 / np.sqrt(2)).mean()
    assert inside == pytest.approx(0.5, abs=4.5 * 0.5 / 30)


def test_a_lone_particle_is_in_the_middle_of_a_disc(random, geometry, virus):
    settings = experiment(placement="dispersed")

    (lone,) = draw_particles(random, settings, virus, 1)

    np.testing.assert_array_equal(lone.position, [0, 0, 0])
    assert lone.fluence == pytest.approx(12_732, rel=1e-4)


@pytest.mark.parametrize("placement", ["touching", "dispersed"])
def test_in_a_gaussian_each_particle_has_the_fluence_of_its_place(
    random, geometry, virus, placement
):
    settings = experiment(beam=GAUSSIAN, placement=placement, fluence=2.0)

    particles = draw_particles(random, settings, virus, 4)

    places = np.array([particle.position for particle in particles])
    squared = places[:, 0] ** 2 + places[:, 1] ** 2
    peak = 2.0 * 1e12 * 4 * np.log(2) / (np.pi * 2000.0**2)
    expected = peak * 0.5 ** (squared / 1000.0**2)
    found = [particle.fluence for particle in particles]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.ptp(found) > 0.01 * peak


def test_a_particle_at_half_the_fluence_scatters_half_the_photons(geometry, virus):
    bright = photons_of((particle_at(0, 0, 0),), experiment(), geometry, virus)

    dim = photons_of(
        (particle_at(1e4, 0, 0, fluence=50.0),), experiment(), geometry, virus
    )

    np.testing.assert_allclose(dim, bright / 2, rtol=1e-5)


def test_two_particles_one_in_the_dark_are_one(geometry, virus):
    lone = photons_of((particle_at(0, 0, 0),), experiment(), geometry, virus)

    with_dark = (particle_at(0, 0, 0), particle_at(300, 0, 0, fluence=0.0))

    found = photons_of(with_dark, experiment(), geometry, virus)
    np.testing.assert_allclose(found, lone, rtol=1e-5)


def test_a_pair_has_fringes_in_the_direction_of_its_axis(geometry, virus):
    """Like bodies not turned: the pattern of one times 2 + 2 cos(q x)."""
    pair = (particle_at(0, 0, 0), particle_at(200, 100, -50))

    found = photons_of(pair, experiment(), geometry, virus)

    lone = photons_of(pair[:1], experiment(), geometry, virus)
    fringes = 2 + 2 * np.cos(geometry.q @ [200, 100, -50])
    np.testing.assert_allclose(found, lone * fringes, atol=1e-4 * lone.max())


def test_averaged_fringes_are_weaker_by_sinc(geometry, virus):
    pair = (particle_at(0, 0, 0), particle_at(200, 0, 0))

    found = photons_of(pair, experiment(average_fringes=True), geometry, virus)

    lone = photons_of(pair[:1], experiment(), geometry, virus)
    across, down = geometry.steps @ [200, 0, 0] / (2 * np.pi)
    weak = np.sinc(across) * np.sinc(down)
    fringes = 2 + 2 * np.cos(geometry.q @ [200, 0, 0]) * weak
    assert weak.min() < 0.8
    np.testing.assert_allclose(found, lone * fringes, atol=1e-4 * lone.max())


def test_averaging_leaves_single_hits_alone(geometry, virus):
    lone = (particle_at(0, 0, 0),)

    averaged = photons_of(lone, experiment(average_fringes=True), geometry, virus)

    plain = photons_of(lone, experiment(), geometry, virus)
    np.testing.assert_array_equal(averaged, plain)


def test_droplets_in_a_gaussian_are_dimmer_off_its_middle(geometry, virus):
    droplet = {"kinds": ["droplet"], "droplet_radius_angstrom": (80.0, 80.0)}
    droplet["density"] = (1.0, 1.0)
    settings = experiment(beam=GAUSSIAN, debris=droplet)

    totals = [
        expose(
            np.random.default_rng(seed), settings, geometry, NON_SAMPLE_HIT, virus
        ).expected.sum()
        for seed in range(200)
    ]

    # Evenly over a disc of one full width, fluences reach from 1 down to 1/16.
    assert max(totals) / min(totals) == pytest.approx(16, rel=0.1)
