import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.evaluation.disturbances import DISTURBANCES, find_disturbances
from specklenn.core.evaluation.disturbed_frames import disturbed_exposures
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.preprocess import Preprocessing

SEEN = Preprocessing(crop=32, bin=2)


@pytest.fixture
def exposures(clean_file):
    """Every disturbance of frames as an exposure of the clean file."""
    return disturbed_exposures(clean_file, SEEN, DISTURBANCES, seed=0)


def test_only_disturbances_of_frames_are_exposures(exposures):
    assert set(exposures) == {each.name for each in DISTURBANCES if each.frames}


def test_a_row_gives_the_same_shot_in_any_batch(exposures, make_expected):
    patterns, _, _ = make_expected(12)

    for expose in exposures.values():
        together = expose(patterns, np.arange(72))
        alone = expose(patterns[30:32], np.array([30, 31]))
        np.testing.assert_array_equal(alone, together[30:32])


@pytest.mark.parametrize("name", ["wandering", "background", "common-mode"])
def test_another_seed_disturbs_otherwise(clean_file, make_expected, name):
    patterns, _, _ = make_expected(1)
    rows = np.arange(len(patterns))

    first, other = (
        disturbed_exposures(clean_file, SEEN, find_disturbances([name]), seed)[name](
            patterns, rows
        )
        for seed in (1, 2)
    )

    assert not np.array_equal(first, other)


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -1e9])
def test_what_the_mask_hides_never_comes_out(
    exposures, make_expected, beam_stop, hidden
):
    patterns, _, _ = make_expected(2)
    rows = np.arange(len(patterns))
    filled = np.where(beam_stop, np.float32(hidden), patterns)

    for expose in exposures.values():
        np.testing.assert_array_equal(
            expose(filled, rows), expose(np.where(beam_stop, 0, patterns), rows)
        )


def test_shots_are_exposed_before_they_are_disturbed(clean_file, make_expected):
    patterns, _, _ = make_expected(1)
    (offset,) = disturbed_exposures(
        clean_file,
        SEEN,
        find_disturbances(["offset"]),
        seed=0,
        expose=lambda shots, rows: 100 * shots,
    ).values()

    found = offset(patterns, np.arange(len(patterns)))

    good = ~clean_file.bad
    np.testing.assert_allclose(found[:, good], 100 * patterns[:, good] + 0.4, rtol=1e-5)


def test_the_gap_is_beside_the_beam_of_the_model(clean_file, make_expected):
    patterns, _, _ = make_expected(1)
    chosen = find_disturbances(["gap"])
    aside = Preprocessing(crop=16, bin=2, centre=(14, 20))

    (gap,) = disturbed_exposures(clean_file, aside, chosen, seed=0).values()
    found = gap(patterns + 1, np.arange(len(patterns)))

    dark = (found == 0).all(axis=(0, 2))
    assert np.flatnonzero(dark).tolist() == list(range(16, 24))


def test_counted_photons_are_disturbed_too(tmp_path):
    write_dataset(tmp_path / "counts.h5", np.ones((2, 40, 40), np.uint16), ["a", "b"])
    file = LabelledFile(tmp_path / "counts.h5")
    rows = np.arange(2)

    for expose in disturbed_exposures(file, SEEN, DISTURBANCES, seed=0).values():
        assert expose(file.read(rows), rows).dtype == np.float32
