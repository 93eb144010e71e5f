import numpy as np
import pytest
import torch

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NO_HIT, SINGLE_HIT
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.training.data import (
    TrainingData,
    bin_patterns,
    draw_rows,
    load_training_data,
)

CLASSES = (SINGLE_HIT, MULTI_HIT)


def test_binning_sums_blocks():
    patterns = np.arange(32, dtype=np.float32).reshape(2, 4, 4)

    binned, bad = bin_patterns(patterns, None, 2)

    np.testing.assert_array_equal(binned[0], [[10, 18], [42, 50]])
    assert binned.dtype == np.float16
    assert not bad.any()


def test_missing_pixels_are_made_up_for_and_empty_blocks_are_bad():
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    mask[2:, 2:] = True

    binned, bad = bin_patterns(np.full((1, 4, 4), 3.0, np.float32), mask, 2)

    np.testing.assert_array_equal(binned[0], [[12, 12], [12, 0]])
    np.testing.assert_array_equal(bad, [[False, False], [False, True]])


def test_odd_sides_are_cut_and_bright_pixels_fit_float16():
    binned, _ = bin_patterns(np.full((1, 5, 7), 1e9, np.float32), None, 2)

    assert binned.shape == (1, 2, 3)
    assert np.isfinite(binned).all()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_training_patterns_are_binned_as_live_ones(width):
    random = np.random.default_rng(0)
    patterns = random.gamma(0.5, 6.0, (3, 16, 16)).astype(np.float32)
    mask = random.random((16, 16)) < 0.4
    mask[:4, 8:12] = True
    live = Preprocessor(Preprocessing(crop=16, bin=width), (16, 16), mask)

    binned, bad = bin_patterns(patterns, mask, width)

    expected = live.bin(live.crop(patterns).photons)
    assert (np.isnan(expected) == bad).all()
    found = np.where(bad, 0, binned)
    np.testing.assert_allclose(found, np.nan_to_num(expected), rtol=2**-11, atol=1e-7)


def test_datasets_are_joined_by_label_and_sample(tmp_path):
    for number, name in enumerate(("a", "b")):
        write_dataset(
            tmp_path / f"{name}.h5",
            np.full((4, 8, 8), number + 1, np.float32),
            labels=np.array([SINGLE_HIT, MULTI_HIT, NO_HIT, MULTI_HIT]),
            names=np.array([name, name, name, "shared"]),
        )

    data = load_training_data([tmp_path / "a.h5", tmp_path / "b.h5"], CLASSES, 2)

    assert data.patterns.shape == (6, 4, 4)
    assert data.labels.tolist() == [0, 1, 1, 0, 1, 1]
    assert data.samples.tolist() == [0, 0, 2, 1, 1, 2]
    assert data.files.tolist() == [0, 0, 0, 1, 1, 1]
    assert "b, shared of a.h5, b.h5;" in data.failure_hint(torch.tensor([2, 4]))


def write(path, **texts):
    write_dataset(path, np.zeros((2, 8, 8), np.float32), **texts)
    return [path]


def test_datasets_without_labels_or_names_are_refused(tmp_path):
    labels = np.array([SINGLE_HIT, MULTI_HIT])
    bare = write(tmp_path / "bare.h5")
    nameless = write(tmp_path / "nameless.h5", labels=labels)

    with pytest.raises(DataError, match=r"bare.h5: no labels at /entry_1/result_1"):
        load_training_data(bare, CLASSES, 2)
    with pytest.raises(
        DataError, match=r"nameless.h5: no sample names at /entry_1/sam"
    ):
        load_training_data(nameless, CLASSES, 2)


@pytest.mark.parametrize("classes", [CLASSES, (SINGLE_HIT, "unheard-of")])
def test_a_class_that_no_dataset_has_is_named_with_those_there_are(tmp_path, classes):
    labels = np.array([SINGLE_HIT, NO_HIT])
    paths = write(tmp_path / "a.h5", labels=labels, names=np.array(["a", "a"]))

    with pytest.raises(DataError) as caught:
        load_training_data(paths, classes, 2)

    assert str(caught.value) == (
        f"{paths[0]}: no pattern of {classes[1]}, which training.classes asks for; "
        "there are no-hit (1), single-hit (1)"
    )


def test_a_draw_holds_every_class_of_its_sample_equally():
    data = TrainingData(
        patterns=torch.zeros(40, 2, 2),
        bad=torch.zeros(2, 2, dtype=torch.bool),
        samples=torch.arange(40) // 10,
        labels=torch.arange(40) % 2,
        classes=CLASSES,
        files=torch.zeros(40, dtype=torch.int64),
        sample_names=("a", "b", "c", "d"),
        file_names=("a.h5",),
    )

    rows = draw_rows(data.groups()[2], 4, torch.Generator().manual_seed(0))

    assert data.samples[rows].tolist() == [2] * 8
    assert data.labels[rows].tolist() == [0] * 4 + [1] * 4
    assert len(set(rows.tolist())) == len(rows)


def test_small_groups_are_repeated_and_incomplete_samples_left_out():
    data = TrainingData(
        patterns=torch.zeros(6, 2, 2),
        bad=torch.zeros(2, 2, dtype=torch.bool),
        samples=torch.tensor([0, 0, 0, 0, 1, 1]),
        labels=torch.tensor([0, 0, 1, 1, 0, 0]),
        classes=CLASSES,
        files=torch.zeros(6, dtype=torch.int64),
        sample_names=("a", "b"),
        file_names=("a.h5",),
    )

    groups = data.groups()

    assert len(groups) == 1
    assert len(draw_rows(groups[0], 8, torch.Generator())) == 16
