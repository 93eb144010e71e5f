import numpy as np
import pytest
import torch

from specklenn.core.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NO_HIT, SINGLE_HIT
from specklenn.core.training.data import (
    TrainingData,
    bin_patterns,
    draw_batch,
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


def test_datasets_without_labels_are_refused(tmp_path):
    write_dataset(tmp_path / "a.h5", np.zeros((1, 8, 8), np.float32))

    with pytest.raises(DataError, match="needs labels"):
        load_training_data([tmp_path / "a.h5"], CLASSES, 2)


def test_datasets_of_other_classes_are_refused(tmp_path):
    write_dataset(
        tmp_path / "a.h5",
        np.zeros((1, 8, 8), np.float32),
        labels=np.array([NO_HIT]),
        names=np.array(["a"]),
    )

    with pytest.raises(DataError, match="no pattern of single-hit"):
        load_training_data([tmp_path / "a.h5"], CLASSES, 2)


def test_batches_hold_every_class_of_the_chosen_samples_equally():
    data = TrainingData(
        patterns=torch.zeros(40, 2, 2),
        bad=torch.zeros(2, 2, dtype=torch.bool),
        samples=torch.arange(40) // 10,
        labels=torch.arange(40) % 2,
        classes=CLASSES,
        files=torch.zeros(40, dtype=torch.int64),
    )

    rows = draw_batch(data.groups(), 3, 4, torch.Generator().manual_seed(0))

    pairs = list(
        zip(data.samples[rows].tolist(), data.labels[rows].tolist(), strict=True)
    )
    assert len(rows) == 3 * 2 * 4
    assert {pairs.count(pair) for pair in pairs} == {4}
    assert len(set(rows.tolist())) == len(rows)


def test_small_groups_are_repeated_and_incomplete_samples_left_out():
    data = TrainingData(
        patterns=torch.zeros(6, 2, 2),
        bad=torch.zeros(2, 2, dtype=torch.bool),
        samples=torch.tensor([0, 0, 0, 0, 1, 1]),
        labels=torch.tensor([0, 0, 1, 1, 0, 0]),
        classes=CLASSES,
        files=torch.zeros(6, dtype=torch.int64),
    )

    groups = data.groups()

    assert len(groups) == 1
    assert len(draw_batch(groups, 5, 8, torch.Generator())) == 16
