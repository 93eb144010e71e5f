import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.labels import SIMULATED, SINGLE_HIT
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.simulator import PooledSimulator, ShotSimulator

EXACT = {"jitter_shape": 0.0, "shot_noise": False, "read_noise_photons": 0.0}


def experiment(settings, **changes):
    return Experiment.model_validate({**settings, **changes})


@pytest.fixture(scope="module")
def pooled(small):
    return PooledSimulator(experiment(small))


def test_a_shot_is_the_same_in_any_batch_and_from_another_pool(small, pooled):
    together = pooled.shots(np.arange(30))
    other_process = PooledSimulator(experiment(small))

    order = np.array([29, 3, 17])
    found = other_process.shots(order)

    np.testing.assert_array_equal(found.patterns, together.patterns[order])
    assert found.truth.tobytes() == together.truth[order].tobytes()


def test_only_the_exposures_of_the_pool_are_shown(small):
    exact = PooledSimulator(experiment(small, noise=EXACT, fractions={SINGLE_HIT: 1}))

    shots = exact.shots(np.arange(120))

    # Three exposures of three samples.
    assert len(np.unique(shots.patterns, axis=0)) == 9
    assert len(np.unique(shots.truth["orientation"][:, 0], axis=0)) == 9


def test_every_exposure_is_shown_about_as_often(small):
    settings = {"noise": EXACT, "fractions": {SINGLE_HIT: 1}}
    shots = PooledSimulator(experiment(small, **settings)).shots(np.arange(900))

    _, counts = np.unique(shots.patterns, axis=0, return_counts=True)

    np.testing.assert_allclose(counts, 100, atol=4.5 * np.sqrt(100))


def test_the_same_exposure_has_noise_of_its_own_in_every_shot(pooled):
    shots = pooled.shots(np.arange(120))

    assert len(np.unique(shots.patterns, axis=0)) == 120
    # The few that reach a limit of the jitter are alike.
    assert len(np.unique(shots.truth["jitter"])) > 100
    single = shots.truth[shots.labels == SINGLE_HIT]
    assert len(np.unique(single["orientation"][:, 0], axis=0)) <= 9 < len(single)


def test_the_truth_is_that_of_the_exposure_shown(small):
    exact = PooledSimulator(experiment(small, noise=EXACT, fractions={SINGLE_HIT: 1}))

    shots = exact.shots(np.arange(60))

    _, shown = np.unique(shots.patterns, axis=0, return_inverse=True)
    _, told = np.unique(shots.truth["orientation"][:, 0], axis=0, return_inverse=True)
    pairs = np.unique(np.stack((shown.ravel(), told.ravel())), axis=1)
    assert pairs.shape[1] == shown.max() + 1 == told.max() + 1


def test_another_seed_makes_another_pool(small):
    settings = {"noise": EXACT, "fractions": {SINGLE_HIT: 1}}

    one, other = (
        PooledSimulator(experiment(small, **settings, seed=seed)).shots(np.arange(60))
        for seed in (0, 1)
    )

    both = np.concatenate((one.patterns, other.patterns))
    assert len(np.unique(both, axis=0)) == 18


def test_a_pool_shows_what_a_factory_does_in_the_same_classes(small, pooled):
    plain = ShotSimulator(experiment(small)).shots(np.arange(30))

    shots = pooled.shots(np.arange(30))

    np.testing.assert_array_equal(shots.labels, plain.labels)
    np.testing.assert_array_equal(shots.names, plain.names)
    assert set(shots.labels) == set(SIMULATED)
    assert shots.patterns.shape == plain.patterns.shape
    np.testing.assert_array_equal(pooled.mask, pooled.simulator.mask)


def test_pooled_shots_are_none_of_the_shots_made_anew(small):
    """Pools have random numbers of their own."""
    settings = experiment(small, noise=EXACT, fractions={SINGLE_HIT: 1})

    pooled, anew = PooledSimulator(settings), ShotSimulator(settings)

    both = [made.shots(np.arange(60)).patterns for made in (pooled, anew)]
    assert len(np.unique(np.concatenate(both), axis=0)) == 9 + 60
