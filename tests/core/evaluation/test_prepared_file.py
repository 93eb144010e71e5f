import dataclasses

import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.evaluation.prepared_file import (
    PreparedFile,
    join,
    labelled_features,
    model_classifiers,
    prepare_file,
)
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network.embed import embed
from specklenn.core.preprocess import Preprocessing, prepare


@pytest.fixture(scope="module")
def shots(draw_shots):
    """Frames of single and multi-hits, half of them of each of two samples."""
    frames, labels = draw_shots(80)
    chosen = np.isin(labels, (SINGLE_HIT, MULTI_HIT))
    names = np.repeat(["left", "right"], 20)
    return frames[chosen], labels[chosen], names


@pytest.fixture
def file(shots, mask, tmp_path):
    frames, labels, names = shots
    write_dataset(tmp_path / "data.h5", frames, labels, names=names, mask=mask)
    return LabelledFile(tmp_path / "data.h5")


@pytest.fixture(scope="module")
def models(model):
    smaller = Preprocessing(crop=48, bin=1)
    return {"whole": model, "inner": dataclasses.replace(model, preprocessing=smaller)}


def test_patterns_are_prepared_for_every_model(file, shots, mask, models):
    prepared = prepare_file(file, models)

    for model in models.values():
        wanted = prepare(shots[0], mask, model.preprocessing).inputs
        np.testing.assert_array_equal(prepared.inputs[model.preprocessing], wanted)
    np.testing.assert_array_equal(prepared.labels, shots[1])
    np.testing.assert_array_equal(prepared.names, shots[2])


def test_baselines_see_standardised_patterns_whatever_the_model_sees(
    file, shots, mask, model
):
    plain = dataclasses.replace(
        model,
        preprocessing=model.preprocessing.model_copy(update={"standardise": False}),
    )

    prepared = prepare_file(file, {"plain": plain})

    first, second = prepared.inputs
    assert (first.standardise, second.standardise) == (True, False)
    wanted = prepare(shots[0], mask, model.preprocessing).inputs
    np.testing.assert_array_equal(prepared.inputs[first], wanted)


def test_photons_are_counted_on_good_pixels_of_the_first_models_crop(
    file, shots, mask, models
):
    counted = np.where(mask, 0, shots[0])[:, 2:98, 2:98].sum(axis=(1, 2))

    np.testing.assert_allclose(prepare_file(file, models).photons, counted)


def test_a_pattern_that_one_model_cannot_classify_is_left_out_for_all(
    shots, mask, models, tmp_path
):
    frames = shots[0].copy()
    frames[3, 26:74, 26:74] = 0  # nothing in the inner model's crop
    write_dataset(tmp_path / "d.h5", frames, shots[1], names=shots[2], mask=mask)
    file = LabelledFile(tmp_path / "d.h5")

    assert len(prepare_file(file, {"whole": models["whole"]}).labels) == 40
    prepared = prepare_file(file, models)
    assert len(prepared.labels) == 39
    assert {len(inputs) for inputs in prepared.inputs.values()} == {39}
    np.testing.assert_array_equal(prepared.names, np.delete(shots[2], 3))


def test_a_file_that_no_model_can_classify_is_refused(shots, mask, models, tmp_path):
    dark = np.zeros_like(shots[0])
    write_dataset(tmp_path / "d.h5", dark, shots[1], names=shots[2], mask=mask)

    with pytest.raises(DataError, match="no pattern that all models can judge"):
        prepare_file(LabelledFile(tmp_path / "d.h5"), models)


@pytest.mark.parametrize("n_shot", [1, 5])
def test_models_have_exactly_the_scores_that_they_have_alone(
    file, models, evaluate_embeddings, n_shot
):
    settings = EvaluationSettings(n_shot=(n_shot,), draws=2, seed=4)
    prepared = prepare_file(file, models)
    draws = draw_few_shot(prepared.labels, prepared.names, settings)

    classifiers = model_classifiers(prepared, models, settings.classes)
    found = evaluate(classifiers, draws).by_variant

    for name, model in models.items():
        vectors = embed(model.encoder, prepared.inputs[model.preprocessing])
        data = (vectors, prepared.labels, prepared.names)
        alone = evaluate_embeddings(*data, n_shot=(n_shot,), draws=2, seed=4)[n_shot]
        first = next(found[each] for each in found if each.method == name)[n_shot]
        assert first.accuracy == alone.accuracy
        assert first.f1 == alone.f1
        assert first.confusion == alone.confusion


def test_training_shows_as_many_patterns_of_joined_classes(model):
    classes = (SINGLE_HIT, f"{MULTI_HIT}+streak")
    labels = np.array([SINGLE_HIT, "streak", MULTI_HIT, MULTI_HIT, "other"])
    inputs = np.arange(5, dtype=np.float32)
    prepared = join([prepared_of(labels, inputs), prepared_of(labels, inputs + 10)])

    features, numbers = labelled_features(prepared, Preprocessing(), classes)

    assert features.tolist() == [0, 10, 2, 1, 12, 11]
    assert numbers.tolist() == [0, 0, 1, 1, 1, 1]


def prepared_of(labels, inputs):
    names = np.full(len(labels), f"sample {inputs[0]}")
    return PreparedFile(
        labels=labels, names=names, inputs={Preprocessing(): inputs}, photons=inputs
    )
