import json

import h5py
import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.evaluation.fluence_scan import Exposure, fluence_of_expected_photons
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.simulation.noise import NO_NOISE, Noise

STEADY = Noise(jitter_shape=0, read_noise_photons=0.5)
BEAM_ONLY = Noise(shot_noise=False, read_noise_photons=0)


def exposure(file, fluence, noise, made_at=1.0, seed=0):
    return Exposure(file=file, fluence=fluence, made_at=made_at, noise=noise, seed=seed)


def test_photons_follow_poisson_with_read_noise_on_top(clean_file, beam_stop):
    expected = np.full((400, 40, 40), 2.0, np.float32)

    shots = exposure(clean_file, 3.0, STEADY)(expected, np.arange(400))

    good = shots[:, ~beam_stop]
    assert good.mean() == pytest.approx(6.0, abs=0.02)
    assert good.var() == pytest.approx(6.0 + 0.5**2, rel=0.02)


def test_masked_pixels_read_nothing(clean_file, beam_stop):
    expected = np.full((2, 40, 40), 50.0, np.float32)
    expected[:, beam_stop] = np.nan

    shots = exposure(clean_file, 1.0, STEADY)(expected, np.arange(2))

    assert (shots[:, beam_stop] == 0).all()
    assert np.isfinite(shots).all()


def test_a_pattern_has_the_same_jitter_at_every_fluence(clean_file):
    expected = np.ones((50, 40, 40), np.float32)
    rows = np.arange(50)

    weak = exposure(clean_file, 0.1, BEAM_ONLY)(expected, rows)
    bright = exposure(clean_file, 10.0, BEAM_ONLY)(expected, rows)

    np.testing.assert_allclose(bright, 100 * weak, rtol=1e-5)
    assert len(np.unique(weak[:, 0, 0])) > 40


def test_the_fluence_of_the_file_is_taken_into_account(clean_file):
    expected = np.full((1, 40, 40), 5.0, np.float32)

    (shot,) = exposure(clean_file, 2.0, NO_NOISE, made_at=10.0)(expected, np.arange(1))

    assert shot[0, 0] == pytest.approx(1.0)


def test_a_row_gives_the_same_shot_in_any_batch(clean_file, make_expected):
    patterns, _, _ = make_expected(12)
    expose = exposure(clean_file, 1.0, Noise())

    together = expose(patterns, np.arange(72))

    alone = expose(patterns[30:32], np.array([30, 31]))
    np.testing.assert_array_equal(alone, together[30:32])


def test_another_seed_gives_other_shots(clean_file, make_expected):
    patterns, _, _ = make_expected(1)
    rows = np.arange(len(patterns))

    first = exposure(clean_file, 1.0, Noise(), seed=1)(patterns, rows)
    other = exposure(clean_file, 1.0, Noise(), seed=2)(patterns, rows)

    assert not np.array_equal(first, other)


@pytest.mark.parametrize("wrong", [-0.3, np.nan])
def test_pixels_that_are_no_expected_photons_are_refused(clean_file, wrong):
    expected = np.ones((2, 40, 40), np.float32)
    expected[1, 0, 0] = wrong

    with pytest.raises(DataError, match=r"clean\.h5: pattern 8 is negative or not a"):
        exposure(clean_file, 1.0, Noise())(expected, np.array([7, 8]))


def test_a_file_of_unknown_origin_is_taken_to_be_at_the_baseline(clean_file):
    assert fluence_of_expected_photons(clean_file) == 1.0


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (lambda random, photons: random.poisson(photons), "whole numbers of photons"),
        (lambda random, photons: random.normal(photons, 0.15), "negative pixels"),
    ],
)
def test_shots_of_unknown_origin_are_refused(tmp_path, make_expected, noise, said):
    patterns, labels, names = make_expected(2)
    shots = noise(np.random.default_rng(0), patterns).astype(np.float32)
    write_dataset(tmp_path / "shots.h5", shots, labels, names)

    with pytest.raises(DataError, match=f"{said} found, expected photons needed"):
        fluence_of_expected_photons(LabelledFile(tmp_path / "shots.h5"))


def with_task(tmp_path, patterns, labels, names, task):
    """A file that says how it was simulated."""
    path = tmp_path / "simulated.h5"
    write_dataset(path, patterns, labels, names)
    with h5py.File(path, "r+") as file:
        file.attrs["task"] = task
    return LabelledFile(path)


def described(fluence, noise):
    return json.dumps({"experiment": {"fluence": fluence, "noise": noise.model_dump()}})


def test_a_simulated_file_says_at_which_fluence_it_is(tmp_path, make_expected):
    task = described(0.5, NO_NOISE)
    file = with_task(tmp_path, *make_expected(1), task)

    assert fluence_of_expected_photons(file) == 0.5


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (Noise(), "jitter_shape: 2.5, shot_noise: True, read_noise_photons: 0.15"),
        (NO_NOISE.model_copy(update={"hot_pixels": 0.01}), "hot_pixels: 0.01"),
        (NO_NOISE.model_copy(update={"offset_adu": 9.0}), "offset_adu: 9.0"),
    ],
)
def test_a_simulated_file_with_noise_is_refused_for_what_it_has(
    tmp_path, make_expected, noise, said
):
    file = with_task(tmp_path, *make_expected(1), described(1.0, noise))

    with pytest.raises(DataError, match=rf"noise \({said}\) found"):
        fluence_of_expected_photons(file)


@pytest.mark.parametrize("task", ["not JSON", "{}", "[]", '{"experiment": null}'])
def test_a_task_of_another_version_is_refused(tmp_path, make_expected, task):
    file = with_task(tmp_path, *make_expected(1), task)

    with pytest.raises(DataError, match="attribute task is not of this version"):
        fluence_of_expected_photons(file)
