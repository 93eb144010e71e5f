from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NO_HIT, SIMULATED, SINGLE_HIT
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.experiment import (
    Experiment,
    Procedural,
    count_samples,
    find_structures,
)
from specklenn.core.simulation.factory import Factory
from specklenn.core.simulation.noise import NO_NOISE
from specklenn.core.simulation.pools import make_pools

SMALL = Experiment(
    detector=Detector(rows=32, columns=32, pixel_size_m=1.35e-3),
    procedural=Procedural(count=2, atoms=(1000, 2000)),
    fractions={name: 0.25 for name in SIMULATED},
    pool=6,
)


@pytest.fixture(scope="module")
def factory() -> Factory:
    return Factory(SMALL)


def test_a_shot_depends_on_its_number_alone(factory):
    together = factory.shots(np.arange(20))
    other_process = Factory(SMALL)

    for number in (0, 7, 19):
        alone = other_process.shots(np.array([number]))
        np.testing.assert_array_equal(alone.patterns[0], together.patterns[number])
        assert alone.labels[0] == together.labels[number]
        assert alone.names[0] == together.names[number]


def test_another_seed_gives_other_shots(factory):
    other = Factory(SMALL.model_copy(update={"seed": 1}), factory.pools)

    same = factory.shots(np.arange(5)).patterns == other.shots(np.arange(5)).patterns
    assert not same.all()


def test_classes_come_in_their_fractions():
    uneven = SMALL.model_copy(
        update={"fractions": {SINGLE_HIT: 1.0, MULTI_HIT: 0.0, NO_HIT: 3.0}}
    )

    labels = Factory(uneven).shots(np.arange(2000)).labels

    assert set(labels) == {SINGLE_HIT, NO_HIT}
    assert (labels == NO_HIT).mean() == pytest.approx(0.75, abs=0.03)


def test_shots_are_float32_photons_with_the_mask_at_zero(factory):
    shots = factory.shots(np.arange(8))

    assert shots.patterns.shape == (8, 32, 32)
    assert shots.patterns.dtype == np.float32
    assert (shots.patterns[:, factory.mask] == 0).all()


def test_no_batch_is_a_batch(factory):
    assert factory.shots(np.zeros(0, np.int64)).patterns.shape == (0, 32, 32)


def test_without_background_a_no_hit_is_dark():
    quiet = SMALL.model_copy(update={"noise": NO_NOISE})

    (pool, _) = make_pools(quiet)

    assert (pool.patterns[NO_HIT] == 0).all()
    assert pool.patterns[SINGLE_HIT].sum(axis=(1, 2)).min() > 0


def test_a_multi_hit_of_n_has_between_n_and_n_squared_times_the_photons(factory):
    for pool in factory.pools:
        single = pool.patterns[SINGLE_HIT].sum(axis=(1, 2))
        multi = pool.patterns[MULTI_HIT].sum(axis=(1, 2))
        assert multi.min() > single.min()
        assert multi.max() < 16 * single.max()


def test_fluence_scales_the_expected_photons():
    brighter = SMALL.model_copy(update={"fluence": 10.0})

    weak, strong = next(make_pools(SMALL)), next(make_pools(brighter))

    np.testing.assert_allclose(
        strong.patterns[SINGLE_HIT], 10 * weak.patterns[SINGLE_HIT], rtol=1e-3
    )


def test_every_pattern_draws_each_pattern_once(factory):
    shots = factory.every_pattern()

    assert len(shots.patterns) == 2 * 4 * 6
    for name in {pool.name for pool in factory.pools}:
        for label in SIMULATED:
            assert ((shots.names == name) & (shots.labels == label)).sum() == 6


def test_particles_can_be_dispersed_in_the_focus():
    loose = SMALL.model_copy(update={"placement": "dispersed"})

    pool = next(make_pools(loose))

    assert np.isfinite(pool.patterns[MULTI_HIT]).all()
    assert not np.allclose(
        pool.patterns[MULTI_HIT], next(make_pools(SMALL)).patterns[MULTI_HIT]
    )


def test_a_folder_stands_for_its_structure_files(tmp_path):
    for name in ("b.npz", "a.pdb.gz", "notes.txt"):
        (tmp_path / name).touch()

    found = find_structures((tmp_path, Path("single.cif")))

    assert [path.name for path in found] == ["a.pdb.gz", "b.npz", "single.cif"]
    experiment = Experiment(structures=(Path("one.pdb"),))
    assert experiment.located(tmp_path).structures == (tmp_path / "one.pdb",)
    assert count_samples(SMALL) == 2


def test_a_folder_without_structures_is_refused(tmp_path):
    with pytest.raises(DataError, match="no structure files"):
        find_structures((tmp_path,))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one sample"),
        ({"procedural": {}, "fractions": {"double-hit": 1}}, "unknown classes"),
        ({"procedural": {}, "fractions": {"no-hit": 0}}, "shares"),
        ({"procedural": {}, "hits": [1, 2]}, "two particles or more"),
        ({"procedural": {}, "pool": 0}, "pool"),
    ],
)
def test_impossible_experiments_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate(values)
