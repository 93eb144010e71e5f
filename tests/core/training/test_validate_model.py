import numpy as np
import pytest
import torch

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.network.embed import embed
from specklenn.core.network.registry import make_network
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.preprocess import Preprocessing, prepare
from specklenn.core.training.train_config import TrainingRun
from specklenn.core.training.validate_model import (
    ValidationFile,
    ValidationResult,
    ValidationSet,
    first_of_each,
    load_validation,
    set_names,
    validate,
)

PREPROCESS = Preprocessing(crop=32, bin=2)
KINDS = ("single-hit", "multi-hit", "non-sample-hit")


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(16).eval()


def write(path, each=8, kinds=KINDS, samples=2, **texts):
    """Noise; patterns of a class are the brighter, the later it comes."""
    number = each * len(kinds) * samples
    labels = np.tile(np.repeat(kinds, each), samples)
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40] / 40
    level = np.array([KINDS.index(label) for label in labels])[:, None, None]
    patterns = random.poisson(3 + 2 * level * rows + columns * (2 - level))
    names = np.repeat([f"s{n}" for n in range(samples)], number // samples)
    texts = {"labels": labels, "names": names, **texts}
    write_dataset(path, patterns.astype(np.float32), **texts)
    return path


def load(file, patterns=40, rule="mean"):
    return load_validation([file], patterns, PREPROCESS, rule)[0]


@pytest.mark.parametrize("rule", ["mean", "prototype", "learned"])
def test_accuracies_are_those_of_evaluation(tmp_path, evaluate_embeddings, rule):
    path = write(tmp_path / "v.h5", each=22)

    encoder = make_network("compact-3", 16, 128).eval()
    found, _ = load(ValidationFile(file=path), rule=rule).validate(encoder)

    from specklenn.core.data.labelled_dataset import read_dataset

    data = read_dataset(path)
    inputs = prepare(data.patterns, None, PREPROCESS).inputs
    vectors = embed(encoder, inputs)
    expected = evaluate_embeddings(
        vectors,
        data.labels,
        data.names,
        draws=2,
        rule=rule,
        adapter=encoder.prototype_adapter,
    )
    assert found == {n: score.accuracy.mean for n, score in expected.items()}
    assert set(found) == {1, 5, 20}


def test_numbers_of_supports_that_the_patterns_do_not_allow_are_left_out(
    tmp_path, encoder
):
    file = ValidationFile(file=write(tmp_path / "v.h5", each=22))

    few = load(file, patterns=8)
    assert set(few.validate(encoder)[0]) == {1, 5}


def test_the_temperature_is_the_weighted_geometric_mean_of_the_files(tmp_path, encoder):
    files = [
        ValidationFile(file=write(tmp_path / "v.h5", each=22), weight=3),
        ValidationFile(file=write(tmp_path / "w.h5", each=8)),
    ]
    sets = load_validation(files, 40, PREPROCESS, "mean")

    first, second = (one.validate(encoder)[1] for one in sets)

    assert validate(encoder, sets).temperature == pytest.approx(
        (first**3 * second) ** 0.25
    )


def test_classes_can_be_chosen_and_joined(tmp_path):
    path = write(tmp_path / "v.h5")
    joined = ("single-hit", "multi-hit+non-sample-hit")

    default = load(ValidationFile(file=path))
    chosen = load(ValidationFile(file=path, classes=joined))

    assert default.classes == ("single-hit", "multi-hit")
    assert set(default.labels) == {"single-hit", "multi-hit"}
    assert chosen.classes == joined
    assert set(chosen.labels) == set(KINDS)


def test_other_classes_of_a_file_stand_in_for_single_and_multi(tmp_path):
    path = write(tmp_path / "v.h5", kinds=("single-hit", "non-sample-hit"))

    assert load(ValidationFile(file=path)).classes == ("non-sample-hit", "single-hit")


class Fixed(ValidationSet):
    """A set whose accuracies are known."""

    def validate(self, encoder):
        return self.inputs, 0.1


def test_the_score_is_the_weighted_mean_of_the_five_shot_accuracies(encoder):
    nothing = {"labels": np.array([]), "names": np.array([]), "classes": ()}
    sets = [
        Fixed(name="a", inputs={1: 0.2, 5: 0.6}, weight=1.0, **nothing),
        Fixed(name="b", inputs={5: 0.9, 20: 1.0}, weight=2.0, **nothing),
    ]

    result = validate(encoder, sets)

    assert isinstance(result, ValidationResult)
    assert result.score == pytest.approx(0.8)
    assert result.accuracies == {"a": {1: 0.2, 5: 0.6}, "b": {5: 0.9, 20: 1.0}}


def test_files_go_by_their_stems_and_a_number_where_those_are_alike():
    files = [ValidationFile(file=name) for name in ("a/v.h5", "w.h5", "b/v.h5", "v.h5")]

    assert set_names(files) == ["v", "w", "v-2", "v-3"]


@pytest.mark.parametrize(
    ("given", "files", "weights"),
    [
        (None, [], []),
        ("v.h5", ["v.h5"], [1.0]),
        (["v.h5", {"file": "w.h5", "weight": 2}], ["v.h5", "w.h5"], [1.0, 2.0]),
    ],
)
def test_one_file_several_and_none_can_be_given(given, files, weights):
    run = TrainingRun(data=["a.h5"], output="m.safetensors", validation=given)

    assert [str(item.file) for item in run.validation] == files
    assert [item.weight for item in run.validation] == weights


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"labels": None}, r"v.h5: no labels at /entry_1/result_1/label; validation"),
        ({"names": None}, r"v.h5: no sample names at /entry_1/sample_1/name"),
        ({"kinds": ("single-hit",)}, r"v.h5: two classes or more .* are single-hit$"),
        (
            {"each": 5},
            r"v.h5: no sample has more than 5 patterns of every class, 6 exp",
        ),
    ],
)
def test_files_that_cannot_be_validated_on_are_refused(tmp_path, texts, words):
    path = write(tmp_path / "v.h5", **texts)

    with pytest.raises(DataError, match=words):
        load(ValidationFile(file=path))


def test_a_class_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "v.h5")
    classes = ("single-hit", "multi-hit+dimer")

    with pytest.raises(DataError, match=r"among them dimer; there are multi-hit, non"):
        load(ValidationFile(file=path, classes=classes))


def test_the_first_rows_of_each_class_of_each_sample_are_found():
    labels = np.array(["x", "y", "x", "x", "y", "x"])
    names = np.array(["a", "a", "a", "a", "a", "b"])

    np.testing.assert_array_equal(first_of_each(labels, names, 2), [0, 1, 2, 4, 5])
