import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.labels import (
    MULTI_HIT,
    NO_HIT,
    NON_SAMPLE_HIT,
    SIMULATED,
    SINGLE_HIT,
)
from specklenn.core.simulation.debris import background
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.sample_library import SampleLibrary
from specklenn.core.simulation.scattering import amplitudes_direct
from specklenn.core.simulation.simulator import ShotSimulator, mixture, per_class
from specklenn.core.simulation.structures import Structure

EXACT = {"jitter_shape": 0.0, "shot_noise": False, "read_noise_photons": 0.0}
UNSTEADY = {**EXACT, "jitter_shape": 2.5}
COUNTED = {"read_noise_photons": 0.0}


def make(settings, plan=None, **changes):
    return ShotSimulator(Experiment.model_validate({**settings, **changes}), plan)


def only(label):
    return {"fractions": {label: 1.0}}


@pytest.fixture(scope="module")
def simulator(small):
    return make(small)


@pytest.fixture(scope="module")
def together(simulator):
    return simulator.shots(np.arange(24))


def assert_same(found, expected):
    np.testing.assert_array_equal(found.patterns, expected.patterns)
    # Rows hold numbers that are none: bytes are compared.
    assert found.truth.tobytes() == expected.truth.tobytes()


def test_a_shot_is_the_same_alone_and_from_another_factory(small, together):
    other_process = make(small)

    for number in (0, 7, 23):
        alone = other_process.shots(np.array([number]))
        np.testing.assert_array_equal(alone.patterns[0], together.patterns[number])
        assert alone.truth.tobytes() == together.truth[number : number + 1].tobytes()


def test_a_shot_is_the_same_in_any_order(simulator, together):
    order = np.random.default_rng(0).permutation(24)

    mixed = simulator.shots(order)

    np.testing.assert_array_equal(mixed.patterns, together.patterns[order])
    assert mixed.truth.tobytes() == together.truth[order].tobytes()


def test_a_shot_asked_for_twice_comes_twice(simulator, together):
    twice = simulator.shots(np.array([5, 5]))

    np.testing.assert_array_equal(twice.patterns, together.patterns[[5, 5]])


def test_samples_that_had_to_make_room_give_the_same_shots(small, together):
    tight = make(small)
    tight.samples = SampleLibrary(tight.experiment, tight.geometry, most_bytes=1)

    assert_same(tight.shots(np.arange(24)), together)


def test_another_seed_gives_other_shots(small, together):
    other = make(small, seed=1).shots(np.arange(24))

    assert (other.patterns != together.patterns).any(axis=(1, 2)).all()


def test_no_two_shots_are_alike(small):
    shots = make(small, **only(SINGLE_HIT)).shots(np.arange(20))

    assert len(np.unique(shots.truth["orientation"][:, 0], axis=0)) == 20
    assert len(np.unique(shots.patterns, axis=0)) == 20


def test_no_batch_is_a_batch(simulator):
    none = simulator.shots(np.zeros(0, np.int64))

    assert none.patterns.shape == (0, 32, 32)
    assert len(none.labels) == len(none.names) == 0


def test_shots_are_float32_photons_with_the_mask_at_zero(simulator, together):
    assert together.patterns.shape == (24, 32, 32)
    assert together.patterns.dtype == simulator.pattern_dtype == np.float32
    assert simulator.mask.any()
    assert (together.patterns[:, simulator.mask] == 0).all()
    assert (together.patterns[:, ~simulator.mask] != 0).all()


def test_counted_photons_are_uint16(small):
    simulator = make(small, noise=COUNTED)

    shots = simulator.shots(np.arange(8))

    assert shots.patterns.dtype == simulator.pattern_dtype == np.uint16
    assert shots.patterns.any()


def test_more_photons_than_a_uint16_holds_are_cut_off(small):
    settings = {**only(SINGLE_HIT), "fluence": 1e9, "noise": COUNTED}

    shots = make(small, **settings).shots(np.arange(2))

    assert shots.patterns.max() == 65_535


def test_frames_of_modules_stay_modules(small):
    places = [{"x_m": x, "y_m": 0.0} for x in (-0.02, 0.02)]
    detector = {"rows": 16, "columns": 8, "pixel_size_m": 2.4e-3, "modules": places}

    shots = make(small, detector=detector).shots(np.arange(4))

    assert shots.patterns.shape == (4, 2, 16, 8)


@pytest.mark.parametrize("placement", ["touching", "dispersed"])
@pytest.mark.parametrize("label", [SINGLE_HIT, MULTI_HIT])
def test_the_truth_tells_enough_to_make_the_pattern_again(small, label, placement):
    """All atoms put where the truth says, and summed over one by one."""
    simulator = make(
        small,
        **only(label),
        bodies=(),
        procedural={"count": 1, "seed": 4, "atoms": (300, 300)},
        noise=UNSTEADY,
        placement=placement,
        beam={"profile": "gaussian", "focus_fwhm_m": 4e-8},
    )
    molecule = make_particle(4, 0, (300, 300))
    geometry = simulator.geometry

    shots = simulator.shots(np.arange(2))

    for pattern, row in zip(shots.patterns, shots.truth, strict=True):
        number = row["particles"]
        turns = Rotation.from_quat(np.roll(row["orientation"][:number], -1, axis=1))
        field = np.zeros(len(geometry.q), complex)
        for turn, place, fluence in zip(
            turns, row["position_angstrom"], row["fluence"], strict=False
        ):
            posed = Structure(
                positions=turn.apply(molecule.positions) + place,
                atomic_numbers=molecule.atomic_numbers,
                name="posed",
            )
            (lone,) = amplitudes_direct(posed, geometry.q, np.eye(3)[None])
            field += np.sqrt(fluence) * lone
        expected = (geometry.cross_sections * abs(field) ** 2).reshape(32, 32)
        expected[simulator.mask] = 0
        np.testing.assert_allclose(pattern, expected, atol=1e-3 * expected.max())


def test_the_jitter_of_the_truth_scales_the_pattern(small):
    unsteady = make(small, **only(SINGLE_HIT), noise=UNSTEADY).shots(np.arange(6))
    steady = make(small, **only(SINGLE_HIT), noise=EXACT).shots(np.arange(6))

    jitter = unsteady.truth["jitter"]
    assert (steady.truth["jitter"] == 1).all()
    assert len(np.unique(jitter)) == 6
    np.testing.assert_allclose(
        unsteady.patterns, jitter[:, None, None] * steady.patterns, rtol=1e-5
    )
    np.testing.assert_allclose(
        unsteady.truth["fluence"][:, 0], jitter * 12_732, rtol=1e-4
    )


def test_the_truth_of_every_class_has_its_particles(small):
    plan = per_class(SIMULATED, 5)

    truth = make(small, plan).shots(np.arange(20)).truth

    number = {name: truth["particles"][truth["label"] == name] for name in SIMULATED}
    assert set(number[SINGLE_HIT]) == {1}
    assert set(number[MULTI_HIT]) <= {2, 3, 4}
    assert set(number[NON_SAMPLE_HIT]) == set(number[NO_HIT]) == {0}
    found = np.isfinite(truth["radius_angstrom"]).sum(axis=1)
    np.testing.assert_array_equal(found, truth["particles"])
    debris = truth["debris"] != ""
    np.testing.assert_array_equal(debris, truth["label"] == NON_SAMPLE_HIT)


def test_bodies_differ_from_shot_to_shot_and_within_a_shot(small):
    virus = {
        "name": "virus",
        "shape": "sphere",
        "radius_angstrom": (60.0, 70.0),
        "stretch": (1.0, 1.2),
    }
    simulator = make(
        small, procedural=None, bodies=[virus], **only(MULTI_HIT), hits=(2,)
    )

    truth = simulator.shots(np.arange(10)).truth

    for name in ("radius_angstrom", "stretch", "shell_density", "core_density"):
        assert len(np.unique(truth[name])) == 20
    assert 60 <= truth["radius_angstrom"].min() < truth["radius_angstrom"].max() <= 70


def test_a_no_hit_is_the_background_alone(small):
    simulator = make(small, **only(NO_HIT), noise=EXACT, background_photons=300.0)

    shots = simulator.shots(np.arange(3))

    expected = background(simulator.geometry, 300.0).reshape(32, 32)
    expected[simulator.mask] = 0
    np.testing.assert_array_equal(shots.patterns, [expected] * 3)
    assert (shots.truth["particles"] == 0).all()


def test_without_background_a_no_hit_is_dark(small):
    shots = make(small, **only(NO_HIT), noise=COUNTED).shots(np.arange(3))

    assert not shots.patterns.any()


def test_every_shot_has_the_background_under_it(small):
    plain = make(small, **only(MULTI_HIT), noise=EXACT).shots(np.arange(3))

    simulator = make(small, **only(MULTI_HIT), noise=EXACT, background_photons=300.0)

    shots = simulator.shots(np.arange(3))
    below = background(simulator.geometry, 300.0).reshape(32, 32) * ~simulator.mask
    np.testing.assert_allclose(shots.patterns, plain.patterns + below, rtol=1e-5)


def test_a_multi_hit_of_n_has_about_n_times_the_photons_of_one(small):
    """Fringes average out where they are much finer than the picture."""
    settings = {
        "procedural": None,
        "bodies": [
            {
                "name": "ball",
                "shape": "sphere",
                "radius_angstrom": (40.0, 40.0),
                "density_spread": 0.0,
            }
        ],
        "noise": EXACT,
        "hits": (3,),
        "placement": "dispersed",
        "average_fringes": True,
    }

    single = make(small, **settings, **only(SINGLE_HIT)).shots(np.arange(1))
    multi = make(small, **settings, **only(MULTI_HIT)).shots(np.arange(8))

    totals = multi.patterns.sum(axis=(1, 2))
    assert totals.mean() == pytest.approx(3 * single.patterns.sum(), rel=0.05)


def test_the_expected_photons_are_the_mean_of_many_shots(small):
    """The same exposure read often."""
    settings = {**only(MULTI_HIT), "background_photons": 50.0}
    counting = make(small, **settings, noise={**COUNTED, "jitter_shape": 0.0})
    exposure = counting.expose(np.random.default_rng(0), MULTI_HIT, 0)

    shots = counting.shots(np.arange(400), lambda *_: exposure)

    expected = exposure.expected + background(counting.geometry, 50.0)
    good = ~counting.mask.ravel()
    sums = shots.patterns.reshape(400, -1).sum(axis=0)[good]
    off = (sums - 400 * expected[good]) / np.sqrt(400 * expected[good])
    assert off.mean() == pytest.approx(0, abs=4.5 / np.sqrt(len(off)))
    assert off.std() == pytest.approx(1, abs=4.5 / np.sqrt(2 * len(off)))


def test_per_class_shots_come_sample_after_sample_and_class_after_class(small):
    plan = per_class((SINGLE_HIT, NO_HIT), 2)

    shots = make(small, plan).shots(np.arange(12))

    samples = ("procedural-0-0", "procedural-0-1", "virus")
    assert list(shots.names) == [name for name in samples for _ in range(4)]
    assert list(shots.labels) == [*[SINGLE_HIT] * 2, *[NO_HIT] * 2] * 3


def test_the_plan_does_not_change_what_noise_or_form_a_shot_has(small):
    """A plan that draws nothing leaves all random numbers to the shot."""
    plan = per_class((SINGLE_HIT,), 4)

    long, short = make(small, plan), make(small, per_class((SINGLE_HIT, NO_HIT), 4))

    assert_same(long.shots(np.arange(4)), short.shots(np.arange(4)))


def test_a_mixture_has_the_shares_of_the_experiment(small):
    shares = {SINGLE_HIT: 2.0, MULTI_HIT: 0.0, NO_HIT: 5.0, NON_SAMPLE_HIT: 1.0}
    experiment = Experiment.model_validate({**small, "fractions": shares})
    plan, random = mixture(experiment, 3), np.random.default_rng(0)

    drawn = [plan(index, random) for index in range(8000)]

    labels = [label for label, _ in drawn]
    samples = np.array([sample for _, sample in drawn])
    for label, share in shares.items():
        within = 4.5 * np.sqrt(share / 8 * (1 - share / 8) / 8000)
        assert labels.count(label) / 8000 == pytest.approx(share / 8, abs=within)
    np.testing.assert_allclose(
        np.bincount(samples) / 8000, 1 / 3, atol=4.5 * np.sqrt(2 / 9 / 8000)
    )


def test_shots_come_in_the_shares_of_the_experiment(small):
    shares = {"fractions": {SINGLE_HIT: 1.0, NO_HIT: 3.0}}

    labels = make(small, **shares).shots(np.arange(600)).labels

    assert set(labels) == {SINGLE_HIT, NO_HIT}
    within = 4.5 * np.sqrt(3 / 16 / 600)
    assert (labels == NO_HIT).mean() == pytest.approx(0.75, abs=within)


def test_hot_pixels_are_the_same_in_every_shot_of_a_seed(small):
    noise = {**EXACT, "hot_pixels": 0.02, "hot_photons": 1e6}

    shots = make(small, noise=noise).shots(np.arange(8))

    hot = shots.patterns > 9e5
    assert hot[0].any()
    np.testing.assert_array_equal(hot, [hot[0]] * 8)
    other = make(small, noise=noise, seed=1).shots(np.arange(1))
    assert (hot[0] != (other.patterns[0] > 9e5)).any()
