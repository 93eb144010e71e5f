import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import kstest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.random_bodies import RandomBodies, draw_body
from specklenn.core.simulation.simulator import ShotSimulator, per_class

EXACT = {"jitter_shape": 0.0, "shot_noise": False, "read_noise_photons": 0.0}
SMALL = {"radius_angstrom": (28.0, 60.0)}


@pytest.fixture(scope="module")
def many():
    """2000 bodies and their debris."""
    settings = RandomBodies(count=2000, seed=4)
    return [draw_body(settings, number) for number in range(2000)]


@pytest.fixture(scope="module")
def make(small):
    """A simulator of random bodies alone, noise free, so many of one class of each."""

    def simulator(label, each, random_bodies, **changes):
        settings = {
            "detector": small["detector"],
            "noise": EXACT,
            "random_bodies": SMALL | random_bodies,
            **changes,
        }
        return ShotSimulator(
            Experiment.model_validate(settings), per_class((label,), each)
        )

    return simulator


def photons(simulator, number):
    return simulator.shots(np.arange(number)).patterns.sum(axis=(1, 2))


def share(found):
    return np.mean(list(found))


def test_radii_are_even_in_the_logarithm_over_the_range(many):
    radii = np.array([body.radius_angstrom[0] for body, _ in many])

    assert 28 <= radii.min() < 29
    assert 265 < radii.max() <= 270
    even = (np.log(radii) - np.log(28)) / np.log(270 / 28)
    assert kstest(even, "uniform").pvalue > 1e-3


def test_bodies_are_of_every_kind_in_the_shares_meant(many):
    bodies = [body for body, _ in many]

    within = 4.5 * 0.5 / 2000**0.5
    assert share(b.shape == "sphere" for b in bodies) == pytest.approx(0.3, abs=within)
    hollow = share(b.core_density < 0.2 for b in bodies)
    assert hollow == pytest.approx(0.25, abs=within)
    assert {round(b.radius_angstrom[1] / b.radius_angstrom[0], 6) for b in bodies} == {
        1.03,
        1.1,
        1.2,
    }
    assert {
        round(b.shell_thickness_angstrom / b.radius_angstrom[0], 6) for b in bodies
    } == {0.0, 0.06, 0.12, 0.2}
    assert {round(b.stretch[1] / b.stretch[0], 6) for b in bodies} == {1.05, 1.1, 1.5}


def test_the_same_seed_gives_the_same_bodies_however_many_there_are():
    few, more = RandomBodies(count=5, seed=3), RandomBodies(count=50, seed=3)

    assert [draw_body(few, i) for i in range(5)] == [
        draw_body(more, i) for i in range(5)
    ]


def test_bodies_of_another_seed_have_other_names_and_other_forms():
    one, _ = draw_body(RandomBodies(seed=7), 0)
    other, _ = draw_body(RandomBodies(seed=8), 0)

    assert (one.name, other.name) == ("body-7-000", "body-8-000")
    assert one.radius_angstrom != other.radius_angstrom


def test_debris_is_as_large_as_the_body_and_has_the_photons_asked_for():
    settings = RandomBodies(seed=1, debris_photons=(20.0, 500.0))
    body, debris = draw_body(settings, 0)
    radius = body.radius_angstrom[0]

    assert debris.droplet_radius_angstrom == pytest.approx((0.2 * radius, 2.4 * radius))
    assert debris.grain_radius_angstrom == pytest.approx((0.08 * radius, 0.6 * radius))
    assert debris.photons == (20.0, 500.0)


def test_debris_differs_from_body_to_body(many):
    sizes = {debris.droplet_radius_angstrom for _, debris in many}

    assert len(sizes) == 2000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"number": 3}, "Extra inputs"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"photons": 0}, "greater than 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 1 << 64}, "less than"),
        ({"radius_angstrom": (0, 60)}, "smallest <= largest"),
        ({"debris_photons": (60, 6)}, "smallest <= largest"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate({"random_bodies": values})


def test_single_hits_of_every_body_have_the_mean_photons_asked_for(make):
    simulator = make(SINGLE_HIT, 300, {"count": 4, "seed": 2, "photons": 3e4})

    means = photons(simulator, 1200).reshape(4, 300).mean(axis=1)

    # Photons of one body are up to 40 % apart: 2.3 % in the mean of 300.
    np.testing.assert_allclose(means, 3e4, rtol=0.07)
    assert means.mean() == pytest.approx(3e4, rel=0.03)


def test_photons_do_not_depend_on_the_pulse_but_go_with_the_fluence(make):
    asked = {"count": 1, "seed": 2}
    plain = photons(make(SINGLE_HIT, 3, asked), 3)
    weak = {"photons_per_pulse": 1e10}

    np.testing.assert_allclose(
        photons(make(SINGLE_HIT, 3, asked, beam=weak), 3), plain, rtol=1e-4
    )
    np.testing.assert_allclose(
        photons(make(SINGLE_HIT, 3, asked, fluence=2.5), 3), 2.5 * plain, rtol=1e-4
    )


def test_multi_hits_are_scaled_as_single_hits_are(make):
    for label in (SINGLE_HIT, MULTI_HIT):
        dim = make(label, 4, {"count": 1, "photons": 1e3}).shots(np.arange(4))
        bright = make(label, 4, {"count": 1, "photons": 5e4}).shots(np.arange(4))

        np.testing.assert_allclose(bright.patterns, 50 * dim.patterns, rtol=1e-3)
        np.testing.assert_allclose(
            bright.truth["fluence"], 50 * dim.truth["fluence"], rtol=1e-5
        )


def test_streaks_and_parasitic_scattering_keep_their_photons_droplets_follow(make):
    """Eighty shots of all four kinds, the same ones at two fluences."""
    dim = make(NON_SAMPLE_HIT, 80, {"count": 1, "photons": 1e3}).shots(np.arange(80))
    bright = make(NON_SAMPLE_HIT, 80, {"count": 1, "photons": 5e4}).shots(np.arange(80))

    given = np.isin(dim.truth["debris"], ("streak", "parasitic"))
    assert 20 < given.sum() < 60
    np.testing.assert_array_equal(bright.patterns[given], dim.patterns[given])
    np.testing.assert_allclose(
        bright.patterns[~given], 50 * dim.patterns[~given], rtol=1e-3
    )


def test_random_bodies_leave_other_samples_as_they_are(small):
    """The other samples come first; theirs are the experiment's fluence and debris."""
    plan = per_class((SINGLE_HIT, NON_SAMPLE_HIT), 4)
    asked = {"random_bodies": {**SMALL, "count": 2, "seed": 9}}

    alone = ShotSimulator(Experiment.model_validate(small), plan)
    mixed = ShotSimulator(Experiment.model_validate(small | asked), plan)

    before, after = alone.shots(np.arange(24)), mixed.shots(np.arange(40))
    np.testing.assert_array_equal(after.patterns[:24], before.patterns)
    assert list(after.names[::8]) == [
        "procedural-0-0",
        "procedural-0-1",
        "virus",
        "body-9-000",
        "body-9-001",
    ]


def test_each_body_flies_with_its_own_debris(small):
    asked = {"random_bodies": {**SMALL, "count": 2, "seed": 9}}
    simulator = ShotSimulator(Experiment.model_validate(small | asked))
    settings = RandomBodies(count=2, seed=9, radius_angstrom=(28.0, 60.0))

    found = [simulator.samples.conditions(number).debris for number in range(5)]

    assert found[:3] == [simulator.experiment.debris] * 3
    assert found[3:] == [draw_body(settings, number)[1] for number in range(2)]
