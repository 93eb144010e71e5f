from pathlib import Path

import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.shots import InMemorySource
from specklenn.core.errors import DataError
from specklenn.core.labelling.export import by_class, write_supports, write_training
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.support import load_supports

LABELS = {8: "single-hit", 1: "drop", 2: "no-hit", 4: "single-hit", 0: "unknown"}


def test_supports_are_the_shots_that_were_labelled_first():
    assert by_class({**LABELS, 3: "single-hit"}, 2) == {
        "single-hit": [8, 4],
        "drop": [1],
    }


def test_a_written_support_set_is_loaded_with_the_right_frames(run_folder, tmp_path):
    data = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    shots = {"single-hit": [8, 4], "multi-hit": [1]}
    target = tmp_path / "new" / "s.yaml"

    for _ in range(2):
        write_supports(
            target,
            shots,
            lambda shot: (run_folder.path / "run.cxi", shot),
            labelled_dataset.DATA,
        )

    supports = load_supports(target)
    assert supports.version == 2
    assert supports.labels.tolist() == ["single-hit", "single-hit", "multi-hit"]
    np.testing.assert_array_equal(supports.frames, data.patterns[[8, 4, 1]])


def test_shots_of_several_files_and_another_dataset_are_named_so(tmp_path):
    places = {5: (tmp_path / "b.h5", 0), 2: (tmp_path / "a.h5", 2)}

    made = write_supports(
        tmp_path / "s.yaml", {"x": [5, 2], "y": [2]}, places.__getitem__, "/frames"
    )

    assert [str(group.file) for group in made.classes["x"]] == ["b.h5", "a.h5"]
    assert "dataset: /frames" in (tmp_path / "s.yaml").read_text()


def test_one_class_is_no_support_set(tmp_path):
    with pytest.raises(DataError, match="1 classes of hits found, at least 2"):
        write_supports(
            tmp_path / "s.yaml",
            {"x": [1]},
            lambda s: (Path("a"), s),
            labelled_dataset.DATA,
        )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("counted", "dtype"), [(True, np.uint16), (False, np.float32)])
def test_training_data_are_the_labelled_hits_in_photons(
    draw_shots, mask, tmp_path, counted, dtype
):
    frames, _ = draw_shots(12)
    preprocessor = Preprocessor(Preprocessing(), mask.shape, mask)
    source = InMemorySource(list(frames))

    left_out = write_training(
        tmp_path / "t.h5", by_class(LABELS), source, preprocessor, counted
    )

    made = labelled_dataset.read_dataset(tmp_path / "t.h5")
    assert left_out == []
    assert made.labels.tolist() == ["drop", "single-hit", "single-hit"]
    assert made.patterns.dtype == dtype
    np.testing.assert_array_equal(made.patterns, frames[[1, 4, 8]])
    np.testing.assert_array_equal(made.mask, mask)


def test_shots_that_cannot_be_classified_are_no_training_data(
    draw_shots, mask, tmp_path
):
    frames, _ = draw_shots(12)
    nan, missing = np.full(mask.shape, np.nan, np.float32), None
    broken = [*frames.astype(np.float32)]
    broken[1], broken[4] = nan, missing
    preprocessor = Preprocessor(Preprocessing(), mask.shape, mask)
    path = tmp_path / "t.h5"

    left_out = write_training(
        path, by_class(LABELS), InMemorySource(broken), preprocessor, False
    )

    assert left_out == [1, 4]
    np.testing.assert_array_equal(
        labelled_dataset.read_dataset(path).patterns, frames[[8]]
    )
    with pytest.raises(DataError, match="no labelled shot can be classified"):
        write_training(
            tmp_path / "none.h5", {"x": [1, 4]}, InMemorySource(broken), preprocessor, 0
        )
    assert not (tmp_path / "none.h5").exists()


def test_without_labels_there_are_no_training_data(draw_shots, mask, tmp_path):
    frames, _ = draw_shots(4)
    preprocessor = Preprocessor(Preprocessing(), mask.shape, mask)

    with pytest.raises(DataError, match="no labels of hits"):
        write_training(
            tmp_path / "t.h5", {}, InMemorySource(list(frames)), preprocessor, True
        )
