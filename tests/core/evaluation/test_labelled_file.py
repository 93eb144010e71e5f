import dataclasses

import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation import labelled_file
from specklenn.core.evaluation.labelled_file import (
    LabelledFile,
    embed_file,
    read_pictures,
)
from specklenn.core.network.embed import embed
from specklenn.core.preprocess import Preprocessing, prepare


def test_every_row_is_in_one_batch_and_batches_fit_into_memory(clean_file, monkeypatch):
    # 40 x 40 float32 pixels make 6400 bytes
    monkeypatch.setattr(labelled_file, "BATCH_BYTES", 5 * 6400 + 1)

    batches = clean_file.batches()

    np.testing.assert_array_equal(np.concatenate(batches), np.arange(72))
    assert max(map(len, batches)) == 5


@pytest.mark.parametrize("rows", [[3, 4, 5], [0, 7, 71], [9]])
def test_rows_are_read_in_their_order(clean_file, make_expected, rows):
    patterns, _, _ = make_expected(12)

    np.testing.assert_array_equal(clean_file.read(np.array(rows)), patterns[rows])


def test_a_file_embedded_in_batches_is_the_same_as_all_at_once(
    clean_file, tiny_model, make_expected, beam_stop, monkeypatch
):
    patterns, labels, names = make_expected(12)
    inputs = prepare(patterns, beam_stop, tiny_model.preprocessing).inputs
    monkeypatch.setattr(labelled_file, "MOST_IN_BATCH", 7)

    (found,) = embed_file(clean_file, tiny_model)

    wanted = embed(tiny_model.encoder, inputs)
    np.testing.assert_allclose(found.embeddings, wanted, atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.names, names)
    np.testing.assert_array_equal(found.rows, np.arange(72))


def test_every_exposure_is_embedded_on_its_own(clean_file, tiny_model):
    def upside_down(patterns, rows):
        return patterns[:, ::-1]

    plain, turned = embed_file(
        clean_file, tiny_model, (labelled_file.as_read, upside_down)
    )

    (alone,) = embed_file(clean_file, tiny_model, (upside_down,))
    np.testing.assert_array_equal(turned.embeddings, alone.embeddings)
    assert np.abs(plain.embeddings - turned.embeddings).max() > 1e-3


def test_patterns_that_cannot_be_judged_are_left_out(
    tmp_path, tiny_model, make_expected
):
    patterns, labels, names = make_expected(2)
    patterns[[1, 4]] = 0
    write_dataset(tmp_path / "some.h5", patterns, labels, names)

    (found,) = embed_file(LabelledFile(tmp_path / "some.h5"), tiny_model)

    np.testing.assert_array_equal(found.rows, [0, 2, 3, 5, 6, 7, 8, 9, 10, 11])
    assert found.embeddings.shape == (10, 16)


def test_a_file_of_nothing_but_darkness_is_refused(tmp_path, tiny_model):
    write_dataset(tmp_path / "dark.h5", np.zeros((3, 40, 40)), ["a", "b", "b"])

    with pytest.raises(DataError, match=r"dark\.h5: no pattern that can be judged"):
        embed_file(LabelledFile(tmp_path / "dark.h5"), tiny_model)


def test_a_file_without_names_is_one_sample_called_like_the_file(tmp_path):
    write_dataset(tmp_path / "r0094.h5", np.ones((3, 8, 8)), ["a", "b", "b"])

    assert LabelledFile(tmp_path / "r0094.h5").names.tolist() == ["r0094"] * 3


def test_a_file_without_labels_is_refused(tmp_path):
    write_dataset(tmp_path / "bare.h5", np.ones((3, 8, 8)))

    with pytest.raises(
        DataError, match=r"bare\.h5: no labels at /.*; evaluation needs"
    ):
        LabelledFile(tmp_path / "bare.h5")


def test_a_file_of_another_shape_is_refused_by_its_name(clean_file, tiny_model):
    larger = dataclasses.replace(tiny_model, preprocessing=Preprocessing(crop=96))

    with pytest.raises(ConfigError, match=r"clean\.h5: .* 96 pixels .* do not fit"):
        embed_file(clean_file, larger)


def test_pictures_come_in_the_order_asked_for(
    clean_file, tiny_model, make_expected, beam_stop
):
    patterns, _, _ = make_expected(12)

    pictures = read_pictures(clean_file, tiny_model, np.array([50, 3, 20]))

    inner = np.where(beam_stop, np.nan, patterns)[[50, 3, 20], 4:36, 4:36]
    np.testing.assert_array_equal(pictures, inner)
