import numpy as np
import pytest

from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.few_shot import evaluate
from specklenn.core.evaluation.labelled_file import Embedded
from specklenn.core.evaluation.measurement import (
    EvaluationSettings,
    check_classes,
    measure,
)
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT


@pytest.fixture
def embedded():
    """Random vectors: 12 singles and 9 multis of one sample, 4 of each of another."""
    labels = np.repeat([SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT], [16, 13, 2])
    names = np.repeat(["b", "a", "b", "a", "a"], [12, 4, 9, 4, 2])
    vectors = np.random.default_rng(0).normal(size=(31, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedded(embeddings=vectors, labels=labels, names=names, rows=np.arange(31))


def test_what_the_data_allow_is_measured_and_the_rest_named(embedded):
    found = measure(embedded, EvaluationSettings(shots=(1, 5, 20), seed=3))

    alone = evaluate(
        embedded.embeddings, embedded.labels, embedded.names, shots=(1, 5), seed=3
    )
    assert found.scores == alone
    assert found.left_out == ("20 supports: no sample has 21 patterns of every class",)


def test_patterns_are_counted_by_sample_and_class(embedded):
    found = measure(embedded, EvaluationSettings(shots=(1,)))

    assert found.patterns == {
        "a": {SINGLE_HIT: 4, MULTI_HIT: 4},
        "b": {SINGLE_HIT: 12, MULTI_HIT: 9},
    }
    assert found.total == 31


@pytest.mark.parametrize(
    ("shots", "main"), [((1, 3, 5), 3), ((5, 1), 5), ((2,), 2), ((1, 3, 20), 3)]
)
def test_the_middle_number_of_shots_is_shown_where_one_is(embedded, shots, main):
    found = measure(embedded, EvaluationSettings(shots=shots))

    assert found.main_shots == main
    assert found.main == found.scores[str(main)]


def test_nothing_to_measure_is_refused(embedded):
    with pytest.raises(DataError, match=r"10 supports: .*; 20 supports: "):
        measure(embedded, EvaluationSettings(shots=(10, 20)))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["single-hit"], "single-hit alone, at least two expected"),
        (
            ["single-hit", "multi"],
            r"no pattern of 'multi' in .*its labels are 'multi-h",
        ),
        (["single-hit", "multi-hit+no-hit"], "no pattern of 'no-hit' in"),
        (["single-hit", "multi-hit+single-hit"], "'single-hit' found more than once"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(clean_file, classes, said):
    with pytest.raises(ConfigError, match=said):
        check_classes(clean_file, classes)


def test_classes_that_are_there_may_be_told_apart(clean_file):
    check_classes(clean_file, ["multi-hit", "single-hit"])
