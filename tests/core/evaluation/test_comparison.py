import dataclasses

import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation import few_shot
from specklenn.core.evaluation.classifiers import Method, Row, embedding_method
from specklenn.core.evaluation.comparison import (
    check_leakage,
    compare,
    join,
    labelled_patterns,
    make_methods,
    see_file,
)
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.evaluation.measurement import EvaluationSettings
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
    seen = see_file(file, models)

    for model in models.values():
        wanted = prepare(shots[0], mask, model.preprocessing).inputs
        np.testing.assert_array_equal(seen.inputs[model.preprocessing], wanted)
    np.testing.assert_array_equal(seen.labels, shots[1])
    np.testing.assert_array_equal(seen.names, shots[2])


def test_baselines_see_standardised_patterns_whatever_the_model_sees(
    file, shots, mask, model
):
    plain = dataclasses.replace(
        model,
        preprocessing=model.preprocessing.model_copy(update={"standardise": False}),
    )

    seen = see_file(file, {"plain": plain})

    first, second = seen.inputs
    assert (first.standardise, second.standardise) == (True, False)
    wanted = prepare(shots[0], mask, model.preprocessing).inputs
    np.testing.assert_array_equal(seen.inputs[first], wanted)


def test_photons_are_counted_on_good_pixels_of_the_first_models_crop(
    file, shots, mask, models
):
    counted = np.where(mask, 0, shots[0])[:, 2:98, 2:98].sum(axis=(1, 2))

    np.testing.assert_allclose(see_file(file, models).photons, counted)


def test_a_pattern_that_one_model_cannot_judge_is_left_out_for_all(
    shots, mask, models, tmp_path
):
    frames = shots[0].copy()
    frames[3, 26:74, 26:74] = 0  # nothing in the inner model's crop
    write_dataset(tmp_path / "d.h5", frames, shots[1], names=shots[2], mask=mask)
    file = LabelledFile(tmp_path / "d.h5")

    assert len(see_file(file, {"whole": models["whole"]}).labels) == 40
    seen = see_file(file, models)
    assert len(seen.labels) == 39
    assert {len(inputs) for inputs in seen.inputs.values()} == {39}
    np.testing.assert_array_equal(seen.names, np.delete(shots[2], 3))


def test_a_file_that_no_model_can_judge_is_refused(shots, mask, models, tmp_path):
    dark = np.zeros_like(shots[0])
    write_dataset(tmp_path / "d.h5", dark, shots[1], names=shots[2], mask=mask)

    with pytest.raises(DataError, match="no pattern that all models can judge"):
        see_file(LabelledFile(tmp_path / "d.h5"), models)


def test_models_have_exactly_the_scores_of_specklenn_evaluate(file, models):
    pytest.importorskip("sklearn")
    conditions = EvaluationSettings(shots=(1, 5), draws=2, seed=4)
    seen = see_file(file, models)
    methods = make_methods(seen, models, None, conditions)[: len(models)]

    found = compare(seen, methods, conditions).scores

    for name, model in models.items():
        vectors = embed(model.encoder, seen.inputs[model.preprocessing])
        wanted = few_shot.evaluate(
            vectors, seen.labels, seen.names, shots=(1, 5), draws=2, seed=4
        )
        assert next(s for row, s in found.items() if row.method == name) == wanted


def test_every_method_gets_the_same_supports_and_queries(file, models):
    pytest.importorskip("sklearn")
    conditions = EvaluationSettings(shots=(1, 5), draws=2)
    seen = see_file(file, models)
    asked: dict[str, list] = {"a": [], "b": []}

    def method(name):
        def fit(supports, classes, seed):
            def classify(queries):
                asked[name].append((supports.tolist(), queries.tolist()))
                return np.zeros((1, len(queries)), np.int64)

            return classify

        row = Row(method=name, variant="", trained_on="nothing", sees_supports=True)
        numbers = np.arange(len(seen.labels), dtype=np.float32)
        return Method(rows=(row,), features=numbers, fit=fit)

    compare(seen, [method("a"), method("b")], conditions)

    assert len(asked["a"]) == 2 * 2 * 2
    assert asked["a"] == asked["b"]


def test_numbers_of_shots_that_the_data_do_not_allow_are_told(file, models):
    seen = see_file(file, models)
    method = embedding_method("a", np.eye(40, dtype=np.float32), "mean")

    found = compare(seen, [method], EvaluationSettings(shots=(5, 20), draws=1))

    assert [set(by_shots) for by_shots in found.scores.values()] == [{"5"}, {"5"}]
    assert found.left_out == ("20 supports: no sample has 21 patterns of every class",)
    with pytest.raises(DataError, match=r"20 supports: .*; 30 supports"):
        compare(seen, [method], EvaluationSettings(shots=(20, 30)))


def test_training_shows_as_many_patterns_of_joined_classes(model):
    classes = (SINGLE_HIT, f"{MULTI_HIT}+streak")
    labels = np.array([SINGLE_HIT, "streak", MULTI_HIT, MULTI_HIT, "other"])
    inputs = np.arange(5, dtype=np.float32)
    seen = join([see_of(labels, inputs), see_of(labels, inputs + 10)])

    found = labelled_patterns(seen, Preprocessing(), classes)

    assert found.features.tolist() == [0, 10, 2, 1, 12, 11]
    assert found.classes.tolist() == [0, 0, 1, 1, 1, 1]


def see_of(labels, inputs):
    from specklenn.core.evaluation.comparison import PreparedFile

    names = np.full(len(labels), f"sample {inputs[0]}")
    return PreparedFile(
        labels=labels, names=names, inputs={Preprocessing(): inputs}, photons=inputs
    )


def write(path, shots, names):
    write_dataset(path, shots[0], shots[1], names=names)
    return LabelledFile(path)


def test_other_samples_may_be_trained_on(file, shots, tmp_path):
    check_leakage(file, [])
    check_leakage(file, [write(tmp_path / "t.h5", shots, np.repeat(["x", "y"], 20))])


def test_training_on_a_tested_sample_is_refused(file, shots, tmp_path):
    clean = write(tmp_path / "c.h5", shots, np.repeat(["x", "y"], 20))
    leaking = write(tmp_path / "t.h5", shots, np.repeat(["x", "right"], 20))

    with pytest.raises(ConfigError, match=r"t\.h5 has right of .*data\.h5 too"):
        check_leakage(file, [clean, leaking])


def test_training_data_without_sample_names_are_refused(file, shots, tmp_path):
    nameless = write(tmp_path / "t.h5", shots, None)

    with pytest.raises(ConfigError, match=r"t\.h5 has no sample names"):
        check_leakage(file, [nameless])
    check_leakage(nameless, [])
